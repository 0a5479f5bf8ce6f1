/** Commands that destroy or announce something do so only after a yes. */
import type { Command } from 'commander';
import { OperatorError } from '../foundation/operator-error';
import type { Context } from './context';

/** Adds `--yes` to a command. */
export const withYes = (command: Command): Command =>
  command.option('--yes', 'do not ask for confirmation (required without a terminal)');

/**
 * Asks a question, unless the answer was given with `--yes`. Null if nothing has to be asked: then the command need not
 * work out what the question would say.
 *
 * @throws OperatorError unless the answer is yes
 */
export type Ask = ((question: string) => Promise<void>) | null;

/**
 * Ends a command with exit code 2 if nothing was confirmed and there is no terminal to ask on. Call it before anything is
 * looked up, so that a script fails the same way every time.
 *
 * @param isHarmless whether this run needs no confirmation: a dry run
 */
export function confirmation(context: Context, command: Command, yes: true | undefined, isHarmless: boolean): Ask {
  if (yes || isHarmless) return null;
  const { stdin, stderr } = context;
  if (!stdin?.isTTY || !stderr.isTTY) {
    command.error(
      'error: confirm with --yes, because there is no terminal to ask on; --dry-run shows what would be done',
    );
  }
  return async (question) => {
    stderr.write(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(await firstLine(stdin as AsyncIterable<Uint8Array>))) {
      throw new OperatorError('Not confirmed: nothing was changed.');
    }
  };
}

/** A terminal delivers whole lines. */
async function firstLine(input: AsyncIterable<Uint8Array>): Promise<string> {
  for await (const chunk of input) return Buffer.from(chunk).toString().split('\n')[0]?.trim() ?? '';
  return ''; // Ctrl-D
}
