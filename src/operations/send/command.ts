import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { OperatorError } from '../../foundation/operator-error';
import type { Context } from '../context';
import { withBroker } from '../servers';
import { sendLines } from './run';

export function addSend(program: Command, context: Context): void {
  program
    .command('send')
    .description('Send events from a file, one JSON message per line, as a producer would')
    .argument('[file]', 'a file of messages; standard input if absent or -')
    .addHelpText(
      'after',
      `
Needs AMQP_URL. Newsletter events go to the exchange newsletter.events, all others to fxa.events. A line that the service would reject is not sent but reported with its number, and the command exits with 1. Sending a message again changes nothing.

Examples:
  $ onecontact send events.ndjson
  $ echo '{"event": "newsletter.subscribe", "email": "ada@mail.test", "newsletters": ["privacy-weekly"], "ts": 1764000060}' | onecontact send`,
    )
    .action(async (file: string | undefined) => {
      const input = await openInput(file, context);
      const report = (line: number, problems: readonly string[]): void =>
        void context.stderr.write(`line ${line}: ${problems.join('; ')}\n`);
      const { sent, refused } = await withBroker(context.env, ({ publisher }) =>
        // Created only now: readline drops lines that arrive before anything reads them.
        sendLines(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }), publisher, report),
      );
      await context.print(`Sent ${count(sent)}${refused > 0 ? `, rejected ${refused}` : ''}.\n`);
      if (refused > 0) context.exitCode = 1;
    });
}

async function openInput(file: string | undefined, { stdin }: Context): Promise<Readable> {
  if (file !== undefined && file !== '-') {
    const opened = await open(file).catch(({ code }: NodeJS.ErrnoException) => {
      throw new OperatorError(code === 'ENOENT' ? `no such file: ${file}` : `cannot read ${file} (${code})`);
    });
    return opened.createReadStream();
  }
  if (stdin?.[Symbol.asyncIterator] === undefined) throw new OperatorError('there is no standard input: name a file');
  return Readable.from(stdin as AsyncIterable<Uint8Array>, { objectMode: false });
}

const count = (messages: number): string => (messages === 1 ? '1 message' : `${messages} messages`);
