import { basename } from 'node:path';
import type { Command } from 'commander';
import { readConfig } from '../../config';
import { OperatorError } from '../../foundation/operator-error';
import { audited, authorOf } from '../audited';
import { confirmation, withYes } from '../confirm';
import type { Context } from '../context';
import { count, number } from '../render';
import { withDatabase } from '../servers';
import { type AppliedErasures, applyList } from './apply-list';
import { readList } from './list';

interface Options {
  dryRun?: boolean;
  json?: true;
  yes?: true;
}

export function addErasures(program: Command, context: Context): void {
  const erasures = program
    .command('erasures')
    .description('Erase people again after a restore')
    .addHelpText(
      'after',
      `
Examples:
  $ onecontact erasures apply /safe/place/erasures.ndjson --dry-run
  $ onecontact erasures apply /safe/place/erasures.ndjson --yes`,
    );
  const command = withYes(erasures.command('apply'))
    .description('Erase everyone in the list, and remember them as erased')
    .argument('<file>', 'the file that ERASURE_LIST named at the time of the erasures')
    .option('--dry-run', 'show what would be erased, without changing anything')
    .option('--json', 'print the numbers as JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL and ERASURE_KEY, the key that the list was written with. Run it on the restored database before any worker starts (docs/recovery.md). It finds people by hashing all stored addresses and accounts. Erasures that the database knows are skipped, so the command may be run again.

Exits with 1 when a line of the list cannot be read, or when a contact needs a decision: it has an address of an erased person, and an account that the list does not name.

Examples:
  $ onecontact erasures apply /safe/place/erasures.ndjson --dry-run
  $ onecontact erasures apply /safe/place/erasures.ndjson --yes --json`,
    )
    .action(async (file: string, { dryRun = false, json, yes }: Options) => {
      const ask = confirmation(context, command, yes, dryRun);
      const { erasureKey } = readConfig(context.env, ['database', 'erasure']);
      if (erasureKey === null) {
        throw new OperatorError('ERASURE_KEY is not set: set it to the key that the list was written with.');
      }
      const { erasures, unreadable } = await readList(file, erasureKey);
      const author = { ...authorOf(context.env), reason: 'in the list of erasures' };
      const entry = { ...author, reason: null, command: 'erasures apply' as const, target: { file: basename(file) } };
      const applied = await withDatabase(context.env, async (db) => {
        const work = (isDry: boolean) => applyList(db, erasures, { erasureKey, author, dryRun: isDry });
        const preview = ask && (await work(true));
        if (preview && preview.known < preview.erasures) await ask(`${text(preview, unreadable, true)}Erase for good?`);
        return dryRun
          ? work(true)
          : audited(
              db,
              entry,
              () => work(false),
              (done) => ({ ...done }),
            );
      });
      if (applied.undecided.length + unreadable.length > 0) context.exitCode = 1;
      const body = { ...applied, unreadable_lines: unreadable, dry_run: dryRun };
      await context.answer({ json }, body, () => text(applied, unreadable, dryRun));
    });
}

function text(
  { erasures, known, contacts, undecided }: AppliedErasures,
  unreadable: number[],
  dryRun: boolean,
): string {
  const done = dryRun ? 'would be erased, nothing was changed' : 'erased';
  const lines = [
    `${count(erasures, 'erasure')} in the list, ${number(known)} known to the database: ${count(contacts, 'contact')} ${done}.`,
    ...undecided.map(
      (id) =>
        `Contact ${id} has an address of an erased person, and an account that the list does not name: \`onecontact show ${id}\`, and \`onecontact erase ${id}\` if it is the same person.`,
    ),
    ...(unreadable.length > 0 ? [`Unreadable: line ${unreadable.join(', ')}.`] : []),
  ];
  return `${lines.join('\n')}\n`;
}
