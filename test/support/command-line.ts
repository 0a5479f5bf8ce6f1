import { EventEmitter } from 'node:events';
import { run } from '../../src/cli/run';
import type { Terminal } from '../../src/operations/context';

/** A stream that collects its text. */
class Page extends EventEmitter {
  text = '';
  constructor(readonly isTTY = false) {
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

/**
 * Runs a command in this process. Not for `start`, which exits its process: spawn it instead.
 *
 * @param toTerminal whether stdout is a terminal
 */
export async function onecontact(
  args: string[],
  env: NodeJS.ProcessEnv = {},
  stdin: Terminal['stdin'] = undefined,
  toTerminal = false,
): Promise<Ran> {
  const [stdout, stderr] = [new Page(toTerminal), new Page()];
  const code = await run(args, { env, stdout, stderr, stdin });
  return { code, out: stdout.text, err: stderr.text };
}
