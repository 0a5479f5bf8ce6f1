/** What cannot be shown or done at the moment. The message says why, and what to do. */
export class NotNow extends Error {
  override readonly name = 'NotNow';
}
