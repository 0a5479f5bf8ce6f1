/** @throws TypeError for a person, who wrote the option on a command line */
export function wholeNumber(option: string, text: string, low: number, high = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  const end = high === Number.MAX_SAFE_INTEGER ? '' : ` to ${high}`;
  throw new TypeError(`--${option} must be a whole number from ${low}${end}`);
}
