/** An error that only an operator can fix. The message says in a sentence or two what is wrong and what to do. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
}
