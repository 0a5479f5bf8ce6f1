import { EventEmitter } from 'node:events';
import { run } from '../../src/cli/run';
import type { Terminal } from '../../src/operations/context';

/** A stream that collects its text. */
class Page extends EventEmitter {
  text = '';
  constructor(
    readonly isTTY = false,
    readonly columns?: number,
  ) {
    super();
  }
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

export interface Ran {
  code: number;
  out: string;
  err: string;
}

const NEED_CONFIRMATION = [
  ...['erase', 'erasures apply', 'merges undo', 'merges unblock', 'collisions resolve', 'dead-letters drop'],
];

/** The same command with `--yes`, if it needs a confirmation. */
export function confirmed(args: readonly string[]): string[] {
  const command = NEED_CONFIRMATION.find((it) => `${args.join(' ')} `.startsWith(`${it} `));
  const words = command?.split(' ').length ?? 0;
  return command === undefined ? [...args] : [...args.slice(0, words), '--yes', ...args.slice(words)];
}

/** A terminal on which this is typed; without a line, Ctrl-D. */
export const terminal = (line?: string): NonNullable<Terminal['stdin']> => ({
  isTTY: true,
  async *[Symbol.asyncIterator]() {
    if (line !== undefined) yield Buffer.from(`${line}\n`);
  },
});

/**
 * Runs a command in this process. Not for `start`, which exits its process: spawn it instead.
 *
 * @param stdin stderr is a terminal if this is one
 * @param toTerminal whether stdout is a terminal
 * @param columns how wide that is
 */
export async function onecontact(
  args: string[],
  env: NodeJS.ProcessEnv = {},
  stdin: Terminal['stdin'] = undefined,
  toTerminal = false,
  columns: number | undefined = undefined,
): Promise<Ran> {
  const [stdout, stderr] = [new Page(toTerminal, columns), new Page(stdin?.isTTY)];
  const code = await run(args, { env, stdout, stderr, stdin });
  return { code, out: stdout.text, err: stderr.text };
}
