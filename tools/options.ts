/** The command lines of tools. */

/** Reads the options; after `--help` the process exits with 0, after bad usage with 2. */
export function optionsOrExit<O>(help: string, read: (args: string[]) => O | 'help'): O {
  try {
    const options = read(process.argv.slice(2));
    if (options !== 'help') return options;
    process.stdout.write(`${help}\n`);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n(see --help)\n`);
    process.exit(2);
  }
}

/** @throws TypeError for a person, who wrote the option on a command line */
export function wholeNumber(option: string, text: string, low: number, high = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  const end = high === Number.MAX_SAFE_INTEGER ? '' : ` to ${high}`;
  throw new TypeError(`--${option} must be a whole number from ${low}${end}`);
}
