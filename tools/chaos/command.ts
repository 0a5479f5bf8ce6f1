/** From a command's options to its exit code. */
import { optionsOrExit } from '../options';
import type { Environment } from './environment';

export interface Command<O extends { keep: boolean }, E extends Environment> {
  help: string;
  /** @throws Error with a message for the user */
  readOptions(args: string[]): O | 'help';
  progressTo(options: O): NodeJS.WritableStream;
  /** What the run's folder contains, for people. */
  evidence: string;
  environment(options: O): E;
  /** @returns whether all checks hold */
  perform(environment: E, options: O, say: (line: string) => void, signal: AbortSignal): Promise<boolean>;
}

/** Runs a command and exits: 0 all checks hold, 1 some do not (or it could not run), 2 bad usage, 130 interrupted. */
export async function runCommand<O extends { keep: boolean }, E extends Environment>(command: Command<O, E>) {
  process.exit(await exitCodeOf(command));
}

async function exitCodeOf<O extends { keep: boolean }, E extends Environment>(command: Command<O, E>): Promise<number> {
  const options = optionsOrExit(command.help, command.readOptions);
  const out = command.progressTo(options);
  const say = (line: string): void => void out.write(`${line}\n`);
  const environment = command.environment(options);
  const { signal, abort } = onInterrupt();
  let keepFolder = options.keep;
  try {
    const ok = await Promise.race([command.perform(environment, options, say, signal), abort]);
    keepFolder ||= !ok;
    return ok ? 0 : 1;
  } catch (error) {
    const { message, stack } = error as Error;
    process.stderr.write(`${signal.aborted ? message : stack}\n`);
    keepFolder ||= !signal.aborted;
    return signal.aborted ? 130 : 1;
  } finally {
    await environment.close();
    if (keepFolder && environment.folder) say(`${command.evidence}: ${environment.folder}`);
    else await environment.removeFolder();
  }
}

function onInterrupt(): { signal: AbortSignal; abort: Promise<never> } {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
  }
  const { signal } = interrupted;
  const abort = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  return { signal, abort };
}
