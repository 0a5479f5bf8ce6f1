import { type Command, InvalidArgumentError } from 'commander';
import { readConfig } from '../../config';
import { OperatorError } from '../../foundation/operator-error';
import { iso } from '../../foundation/times';
import {
  AUDITED_COMMANDS,
  type AuditDetails,
  auditPages,
  listAudit,
  type StoredAuditEntry,
} from '../../postgres/tables/audit';
import { addressFrom, parseWhen, positive, uidFrom } from '../arguments';
import type { Context } from '../context';
import { shortTime } from '../merge-text';
import { table } from '../render';
import { withDatabase } from '../servers';
import { commandsAgain, readExport } from './again';
import { exportedEntries } from './export';
import { wordsAbout } from './filter';

interface Options {
  command?: string;
  operator?: string;
  account?: string;
  address?: string;
  since?: Date;
  until?: Date;
  limit: number;
  export?: true;
  again?: string;
  json?: true;
}

export function addAudit(program: Command, context: Context): void {
  const command = program
    .command('audit')
    .description('Show what operators changed: who, when, what and why')
    .option('--command <name>', 'only this command, or group of commands, such as merges', parseCommand)
    .option('--operator <name>', 'only what this operator did')
    .option('--account <uid>', 'only what names this account')
    .option('--address <email>', 'only what names this address')
    .option('--since <time>', 'only from then on: a time, or an age such as 2h', parseWhen)
    .option('--until <time>', 'only before then', parseWhen)
    .option('--limit <n>', 'entries at most, the newest', positive, 20)
    .option('--export', 'what must be done again after a restore, oldest first, with hashes instead of addresses')
    .option('--again <file>', 'print the commands that make the decisions of an export again, in this database')
    .option('--json', 'for machines: one JSON object a line')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Every command that changes something is here, dry runs are not. Who did it is OPERATOR, or the
system's user. Where a person was erased, keyed hashes stand for the names; with ERASURE_KEY, --account and --address find
them. Entries older than AUDIT_RETENTION are removed by \`onecontact purge\`.

--export and --again need ERASURE_KEY, and no filter but --since: keep the export outside the database. After a restore,
--again prints commands for a shell; what cannot be done now is a comment (docs/recovery.md).

Examples:
  $ onecontact audit
  $ onecontact audit --command merges --since 30d
  $ onecontact audit --address ada@mail.test --json
  $ onecontact audit --export > /safe/place/decisions.ndjson
  $ onecontact audit --again /safe/place/decisions.ndjson`,
    )
    .action(async (options: Options) => {
      const { erasureKey } = readConfig(context.env, ['database', 'erasure']);
      if (options.export || options.again !== undefined) {
        if ([options.command, options.operator, options.account, options.address, options.until].some(Boolean)) {
          command.error('error: --export and --again take no filter but --since: an export has every decision');
        }
        if (erasureKey === null) {
          throw new OperatorError(
            'ERASURE_KEY is not set: an export needs it, because it has keyed hashes of addresses.',
          );
        }
        return options.again === undefined
          ? exportAudit(context, options, erasureKey)
          : printAgain(context, options.again, erasureKey);
      }
      const words = wordsAbout(
        {
          uid: options.account === undefined ? undefined : uidFrom(command, options.account),
          address: options.address === undefined ? undefined : addressFrom(command, options.address).key,
        },
        erasureKey,
      );
      await show(context, { ...options, words });
    });
}

function parseCommand(text: string): string {
  const name = text.trim();
  if (!AUDITED_COMMANDS.some((it) => it === name || it.startsWith(`${name} `))) {
    throw new InvalidArgumentError(`It is one of: ${AUDITED_COMMANDS.join(', ')}; or the first word of one.`);
  }
  return name;
}

const PAGE = 500;

async function show(context: Context, options: Options & { words: string[] | undefined }): Promise<void> {
  const { command, operator, words, limit, json } = options;
  const filter = { command, operator, words, since: options.since?.getTime(), until: options.until?.getTime() };
  await withDatabase(context.env, async (db) => {
    let before: StoredAuditEntry | undefined;
    let left = limit;
    while (left >= 0) {
      const page = await listAudit(db, filter, { limit: Math.min(left + 1, PAGE), before });
      if (page.length === 0) break;
      const entries = page.slice(0, left);
      if (json) await context.printJson(...entries.map(jsonLine));
      else if (entries.length > 0) await context.print(textOf(entries, before === undefined));
      left -= page.length;
      before = page.at(-1);
    }
    if (json) return;
    if (before === undefined) await context.print('Nothing was changed, as far as the audit goes back.\n');
    if (left < 0) await context.print('There are older ones: --limit shows more.\n');
  });
}

async function printAgain(context: Context, path: string, erasureKey: string): Promise<void> {
  const entries = await readExport(path);
  const lines = await withDatabase(context.env, (db) => commandsAgain(db, entries, erasureKey));
  await context.print(lines.map((line) => `${line}\n`).join(''));
}

async function exportAudit(context: Context, { since }: Options, erasureKey: string): Promise<void> {
  await withDatabase(context.env, async (db) => {
    for await (const page of auditPages(db, since?.getTime())) {
      await context.printJson(
        ...page.flatMap((entry) => exportedEntries(entry, erasureKey)).map((it) => JSON.stringify(it)),
      );
    }
  });
}

const jsonLine = ({ at, operator, command, target, reason, result }: StoredAuditEntry): string =>
  JSON.stringify({ at: iso(at), operator, command, target, reason, result });

function textOf(entries: readonly StoredAuditEntry[], withHead: boolean): string {
  const rows = entries.map(({ at, operator, command, target, reason, result }) => [
    shortTime(new Date(at)),
    operator,
    command,
    result === null ? 'not finished' : 'done',
    [detailsText(target), ...(reason === null ? [] : [`(${reason})`])].join(' '),
  ]);
  const lines = table([['when (UTC)', 'operator', 'command', 'state', 'what (why)'], ...rows]);
  return `${lines.slice(withHead ? 0 : 1).join('\n')}\n`;
}

/** A batch of `collisions resolve` has hundreds of pairs; `--json` shows all. */
const MANY = 3;

function detailsText(details: AuditDetails): string {
  return Object.entries(details)
    .map(([name, value]) => {
      if (!Array.isArray(value)) return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
      const shown = value.slice(0, MANY).map((it) => (typeof it === 'string' ? it : Object.values(it).join(' ')));
      const more = value.length > MANY ? [`and ${value.length - MANY} more`] : [];
      return `${name}=${[...shown, ...more].join(', ')}`;
    })
    .join(' ');
}
