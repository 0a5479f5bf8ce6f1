import type { Command } from 'commander';
import { readConfig } from '../../config';
import { OperatorError } from '../../foundation/operator-error';
import type { Database } from '../../postgres/database';
import { addressOrIdFrom } from '../arguments';
import { authorOf, withReason } from '../audited';
import { confirmation, withYes } from '../confirm';
import type { Context } from '../context';
import { count, shortTimeUtc } from '../render';
import { withBroker, withDatabase } from '../servers';
import { eraseWithDeadLetters } from './dead-letters';
import { erasePeopleOfList } from './people-command';
import { type Erased, type EraseOptions, erasePerson } from './run';
import { deletedText, NO_ERASURE_KEY } from './text';

interface Options {
  file?: string;
  report?: string;
  deadLetters?: boolean;
  dryRun?: boolean;
  json?: boolean;
  reason?: string;
  yes?: true;
}

export function addErase(program: Command, context: Context): void {
  const command = withYes(withReason(program.command('erase')))
    .description('Erase everything about a person, or about the people in a list, for good')
    .argument('[email|id]', 'an address of the person, or the id of their contact')
    .option('--file <file>', 'erase the people in this text file instead, one address or id per line')
    .option('--report <file>', 'write the result of each line to this file (default: FILE.report.ndjson)')
    .option('--dead-letters', 'also drop the dead letters that name the person')
    .option('--dry-run', 'show what would be deleted, without changing anything')
    .option('--json', 'print the numbers as JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL and ERASURE_KEY, the same key for every erasure and for the service. Keyed hashes of the addresses and the account are kept, so that a late event from before the erasure does not bring the person back. An unknown address is remembered in the same way. A service without the key pauses until it is restarted with it.

With ERASURE_LIST, the hashes are also appended to that file, outside the database. After an older backup is restored, \`onecontact erasures apply\` erases these people again.

Dead letters may name the person, too: --dead-letters drops them (needs AMQP_URL; compressed bodies are not searched). Messages in the retry queues return within minutes and are dropped then. The command does not reach backups and the data of other systems; contact.erased tells other systems which ids to delete.

Erasing a list may be interrupted at any moment: the same command continues where it stopped. The report contains keyed hashes instead of addresses. A line that cannot be used is reported with its number and may be corrected; the command then exits with 1. To erase the same people again, name another report.

Examples:
  $ onecontact erase ada@mail.test --dry-run
  $ onecontact erase ada@mail.test --dead-letters
  $ onecontact erase 0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11 --reason 'ticket 4711' --yes
  $ onecontact erase --file requests.txt --yes --json`,
    )
    .action(async (key: string | undefined, options: Options) => {
      const { file, dryRun = false, reason, yes } = options;
      if ((key === undefined) === (file === undefined)) command.error('error: name an address, an id or a --file');
      if (file === undefined && options.report !== undefined) command.error('error: --report needs --file');
      const wanted = key === undefined ? null : addressOrIdFrom(command, key);
      const ask = confirmation(context, command, yes, dryRun);
      const { erasureKey, erasureList } = readConfig(context.env, ['database', 'erasure', 'erasureList']);
      if (erasureKey === null) {
        throw new OperatorError(NO_ERASURE_KEY);
      }
      const erase: EraseOptions = { erasureKey, dryRun, author: authorOf(context.env, reason), list: erasureList };
      if (wanted === null) return erasePeopleOfList(context, file as string, options, erase, ask);
      const { deadLetters, json } = options;
      const run = (db: Database, run: EraseOptions): Promise<Shown> =>
        deadLetters
          ? withBroker(context.env, (broker) => eraseWithDeadLetters(db, broker, wanted, run))
          : erasePerson(db, wanted, run);
      const erased = await withDatabase(context.env, async (db) => {
        if (ask) await ask(`${text(await run(db, { ...erase, dryRun: true }), true)}Erase for good?`);
        return run(db, erase);
      });
      await context.answer({ json }, body(erased, dryRun), () => text(erased, dryRun));
    });
}

type Shown = Omit<Erased, 'names'> & { deadLetters?: number };

const body = ({ known, at, deleted, deadLetters }: Shown, dryRun: boolean) => ({
  known,
  until: new Date(at).toISOString(),
  dry_run: dryRun,
  deleted,
  ...(deadLetters !== undefined && { dead_letters: deadLetters }),
});

const text = (erased: Shown, dryRun: boolean): string => databaseText(erased, dryRun) + brokerText(erased, dryRun);

function databaseText({ known, at, deleted }: Shown, dryRun: boolean): string {
  const until = `Events up to ${shortTimeUtc(at)} that name`;
  if (!known) {
    return dryRun
      ? 'The address is unknown: nothing to delete. Its keyed hash would be stored. Nothing was changed.\n'
      : `The address is unknown: nothing to delete. Its keyed hash is stored. ${until} it are dropped.\n`;
  }
  if (dryRun) return `Would be deleted: ${deletedText(deleted)}. Nothing was changed.\n`;
  return `Deleted: ${deletedText(deleted)}.\n${until} the person are dropped.\n`;
}

function brokerText({ deadLetters }: Shown, dryRun: boolean): string {
  if (deadLetters !== undefined) return `${dryRun ? 'Would drop' : 'Dropped'} ${count(deadLetters, 'dead letter')}.\n`;
  if (dryRun) return '';
  return 'Dead letters may still name the person: see `onecontact dead-letters list --address EMAIL`.\n';
}
