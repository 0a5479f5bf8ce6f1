/** Something that only an operator can mend. The message is one clear sentence that says what to do. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
}
