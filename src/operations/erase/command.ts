import type { Command } from 'commander';
import { readConfig } from '../../config';
import { OperatorError } from '../../foundation/operator-error';
import { addressFrom } from '../arguments';
import type { Context } from '../context';
import { count } from '../render';
import { withDatabase } from '../servers';
import { type Erased, erasePerson } from './run';

interface Options {
  dryRun?: boolean;
  json?: boolean;
  yes?: boolean;
}

export function addErase(program: Command, context: Context): void {
  const command = program
    .command('erase')
    .description('Erase all that is known of a person, for good')
    .argument('<email>', 'any address of the person')
    .option('--dry-run', 'say what would be deleted, and change nothing')
    .option('--yes', 'yes, for good: needed where stdin is a terminal')
    .option('--json', 'for machines: what was deleted, in numbers')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL and ERASURE_KEY, the same key for every erasure and for the service: of the addresses and the account
keyed hashes are kept, so that late events, older than the erasure, do not bring the person back. An unknown address is
remembered like that, too. A service that runs without the key must be restarted with it first.

Not reached: what is in queues of the broker (late events are dropped when they come, dead letters are not), and backups.

Examples:
  $ onecontact erase ada@mail.test --dry-run
  $ onecontact erase ada@mail.test --yes --json`,
    )
    .action(async (email: string, { dryRun = false, json, yes }: Options) => {
      const address = addressFrom(command, email);
      const { erasureKey } = readConfig(context.env, ['database', 'erasure']);
      if (erasureKey === null) {
        throw new OperatorError(
          'ERASURE_KEY is not set: set it to a secret of 16 characters or more, here and for the service, and keep it.',
        );
      }
      if (context.stdin?.isTTY && !yes && !dryRun) {
        command.error('error: this cannot be undone: say --yes, or look first with --dry-run');
      }
      const erased = await withDatabase(context.env, (db) => erasePerson(db, address, { erasureKey, dryRun }));
      await context.answer({ json }, body(erased, dryRun), () => text(erased, dryRun));
    });
}

const body = ({ known, at, deleted }: Erased, dryRun: boolean) => ({
  known,
  until: new Date(at).toISOString(),
  dry_run: dryRun,
  deleted,
});

function text({ known, at, deleted }: Erased, dryRun: boolean): string {
  const until = `Events up to ${new Date(at).toISOString()} that name`;
  if (!known) {
    return dryRun
      ? 'The address is unknown: nothing to delete. It would be remembered, in a keyed hash. Nothing was changed.\n'
      : `The address is unknown: nothing to delete. It is remembered, in a keyed hash. ${until} it are dropped.\n`;
  }
  const numbers = Object.entries(NAMES).map(([name, noun]) => count(deleted[name as keyof Erased['deleted']], noun));
  if (dryRun) return `Would be deleted: ${numbers.join(', ')}. Nothing was changed.\n`;
  return `Deleted: ${numbers.join(', ')}.\n${until} the person are dropped.\n`;
}

const NAMES: Record<keyof Erased['deleted'], string> = {
  contacts: 'contact',
  addresses: 'address',
  accounts: 'account',
  claims: 'claim',
  choices: 'choice',
  tokens: 'token',
  merges: 'merge',
  messages: 'pending message',
};
