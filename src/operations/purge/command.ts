import { type Command, InvalidArgumentError } from 'commander';
import type { Purged } from '../../compaction/page';
import { PASSES, type Pass, purge } from '../../compaction/run';
import { readConfig } from '../../config';
import { readDuration } from '../../foundation/times';
import { audited, authorOf, withReason } from '../audited';
import type { Context } from '../context';
import { makeProgress } from '../progress';
import { shortTimeUtc } from '../render';
import { withDatabase } from '../servers';

interface Options {
  /** In milliseconds. */
  olderThan: number;
  dryRun?: true;
  reason?: string;
  json?: true;
}

export function addPurge(program: Command, context: Context): void {
  withReason(program.command('purge'))
    .description('Remove personal data of deleted accounts, and rows that later events made redundant, at once')
    .requiredOption(
      '--older-than <duration>',
      'remove only data older than this, by event time: 30d, 36h, 2880m',
      parseDuration,
    )
    .option('--dry-run', 'show what would be removed, without changing anything')
    .option('--json', 'print the numbers as JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. A purge changes no other contact, now or after a later event. Only an event older than --older-than that arrives after the purge may find less data than before, so choose a duration longer than events can be late: a day (1d) or more. A removed address is unknown afterwards: its contact's id and token answer 404.

Workers may run at the same time. The command may be interrupted at any moment: the next run continues. Progress goes to stderr. A nightly purge is not needed: \`onecontact start\` does the same slowly once a day, unless --only excludes maintenance.

Examples:
  $ onecontact purge --older-than 30d --dry-run
  $ onecontact purge --older-than 30d --json`,
    )
    .action(async (options: Options) => {
      const before = Math.max(0, Date.now() - options.olderThan);
      const dryRun = options.dryRun ?? false;
      const purged = await run(context, before, dryRun, options.reason);
      await context.answer(options, body(purged, before, dryRun), () => text(purged, before, dryRun));
    });
}

async function run(context: Context, before: number, dryRun: boolean, reason?: string): Promise<Purged> {
  const { auditRetention } = readConfig(context.env, ['auditRetention']);
  const auditBefore = Date.now() - (readDuration(auditRetention) as number);
  const entry = {
    ...authorOf(context.env, reason),
    command: 'purge' as const,
    target: { before: new Date(before).toISOString() },
  };
  const progress = makeProgress(context.stderr);
  const seen = new Map<Pass, number>();
  try {
    return await withDatabase(context.env, (db) => {
      const onPage = (pass: Pass, rows: number): void => {
        const total = (seen.get(pass) ?? 0) + rows;
        seen.set(pass, total);
        progress.show(
          `pass ${PASSES.indexOf(pass) + 1} of ${PASSES.length}: looked at ${total.toLocaleString('en')} rows of ${pass.table}`,
        );
      };
      const work = () => purge(db, { before, auditBefore, dryRun, onPage });
      return dryRun ? work() : audited(db, entry, work, (purged) => ({ ...purged }));
    });
  } finally {
    progress.clear();
  }
}

const DAY = 86_400_000;

/** @returns milliseconds */
export function parseDuration(text: string): number {
  const duration = text.endsWith('s') ? undefined : readDuration(text);
  if (duration === undefined) {
    throw new InvalidArgumentError('It must be a number of days, hours or minutes, such as 30d, 36h or 2880m.');
  }
  if (duration < DAY) {
    throw new InvalidArgumentError('It must be a day (1d) or more, longer than events can be late.');
  }
  return duration;
}

const body = (purged: Purged, before: number, dryRun: boolean) => ({
  before: new Date(before).toISOString(),
  dry_run: dryRun,
  ...purged,
});

const DESCRIPTIONS: Record<keyof Purged, string> = {
  accounts: 'deleted accounts stripped of personal data',
  addresses: 'addresses removed that only deleted accounts had claimed',
  contacts: 'contacts closed that had nothing left',
  choices: 'choices removed: repeated subscriptions, and choices of deleted accounts',
  claims: 'claims removed between two claims of the same account',
  explanations: 'explanations of merges removed',
  audit: 'audit entries removed, older than AUDIT_RETENTION',
};

function text(purged: Purged, before: number, dryRun: boolean): string {
  const names = Object.keys(DESCRIPTIONS) as (keyof Purged)[];
  const counts = names.map((name) => purged[name].toLocaleString('en'));
  const widest = Math.max(...counts.map(({ length }) => length));
  const lines = names.map((name, i) => `  ${counts[i]?.padStart(widest)} ${DESCRIPTIONS[name]}\n`);
  const head = `Older than ${shortTimeUtc(before)}${dryRun ? ' (dry run: nothing was changed)' : ''}:`;
  return `${head}\n${lines.join('')}`;
}
