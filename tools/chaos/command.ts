/** What the commands of this folder have in common: from their options to their exit code. */
import type { Premises } from './premises';

export interface Command<O extends { keep: boolean }, P extends Premises> {
  help: string;
  /** @throws Error with a message for the user */
  readOptions(args: readonly string[]): O | 'help';
  /** Where progress goes to. */
  progressTo(options: O): NodeJS.WritableStream;
  /** What the folder of the run has in it, for who looks for the reason of a failure. */
  evidence: string;
  premises(options: O): P;
  /** @returns whether all checks hold */
  perform(premises: P, options: O, say: (line: string) => void, signal: AbortSignal): Promise<boolean>;
}

/** Runs a command to its end and exits: 0 all checks hold, 1 some do not (or it could not run), 2 bad usage, 130 interrupted. */
export function runCommand<O extends { keep: boolean }, P extends Premises>(command: Command<O, P>): void {
  void main(command, process.argv.slice(2)).then((code) => process.exit(code));
}

async function main<O extends { keep: boolean }, P extends Premises>(
  command: Command<O, P>,
  args: readonly string[],
): Promise<number> {
  let options: O | 'help';
  try {
    options = command.readOptions(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n(--help tells more)\n`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(`${command.help}\n`);
    return 0;
  }
  const out = command.progressTo(options);
  const say = (line: string): void => void out.write(`${line}\n`);
  const premises = command.premises(options);
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
  }
  let keepFolder = options.keep;
  try {
    const { signal } = interrupted;
    const ok = await untilAborted(command.perform(premises, options, say, signal), signal);
    keepFolder ||= !ok;
    return ok ? 0 : 1;
  } catch (error) {
    const { message, stack } = error as Error;
    process.stderr.write(`${interrupted.signal.aborted ? message : stack}\n`);
    keepFolder ||= !interrupted.signal.aborted;
    return interrupted.signal.aborted ? 130 : 1;
  } finally {
    await premises.strike();
    if (keepFolder && premises.folder) say(`${command.evidence}: ${premises.folder}`);
    else await premises.forget();
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    work.then(resolve, reject);
  });
}
