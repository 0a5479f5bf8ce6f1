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
import { listing, shortTime } from '../render';
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
    .option('--command <name>', 'show only this command or group of commands, such as merges', parseCommand)
    .option('--operator <name>', 'show only the entries of this operator')
    .option('--account <uid>', 'show only entries that name this account')
    .option('--address <email>', 'show only entries that name this address')
    .option('--since <time>', 'show only entries from this time on; an age such as 2h works, too', parseWhen)
    .option('--until <time>', 'show only entries before this time', parseWhen)
    .option('--limit <n>', 'show at most this many entries, the newest', positive, 20)
    .option('--export', 'print the decisions to repeat after a restore, oldest first, with hashes instead of addresses')
    .option('--again <file>', 'print the commands that repeat the decisions of an export in this database')
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. The audit records every command that changes something, but no dry runs. The operator is OPERATOR if set, otherwise the system's user. Names of erased people are replaced by keyed hashes; with ERASURE_KEY, --account and --address still find them. \`onecontact purge\` removes entries older than AUDIT_RETENTION.

--export and --again need ERASURE_KEY, and accept no filter but --since. Keep the export outside the database. After a restore, --again prints shell commands, and a comment for each decision that cannot be repeated now (docs/recovery.md).

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
          command.error('error: --export and --again accept no filter but --since');
        }
        if (erasureKey === null) {
          throw new OperatorError(
            'ERASURE_KEY is not set. An export needs it, because addresses are written as keyed hashes.',
          );
        }
        return options.again === undefined
          ? exportAudit(context, options, erasureKey)
          : printAgain(context, options.again, erasureKey);
      }
      const words = wordsAbout(
        {
          uids: options.account === undefined ? [] : [uidFrom(command, options.account)],
          addresses: options.address === undefined ? [] : [addressFrom(command, options.address).key],
        },
        erasureKey,
      );
      await show(context, { ...options, words: words.length === 0 ? undefined : words });
    });
}

function parseCommand(text: string): string {
  const name = text.trim();
  if (!AUDITED_COMMANDS.some((it) => it === name || it.startsWith(`${name} `))) {
    throw new InvalidArgumentError(`It must be one of: ${AUDITED_COMMANDS.join(', ')}; or the first word of one.`);
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
      else if (entries.length > 0) await context.print(textOf(entries, before === undefined, context.columns));
      left -= page.length;
      before = page.at(-1);
    }
    if (json) return;
    if (before === undefined) await context.print('The audit has no matching entries.\n');
    if (left < 0) await context.print('There are older entries: --limit shows more.\n');
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

function textOf(entries: readonly StoredAuditEntry[], isFirst: boolean, columns: number): string {
  const rows = entries.map(({ at, operator, command, target, reason, result }) => [
    shortTime(new Date(at)),
    operator,
    command,
    result === null ? 'not finished' : 'done',
    [detailsText(target), ...(reason === null ? [] : [`(${reason})`])].join(' '),
  ]);
  const lines = listing(['when (UTC)', 'operator', 'command', 'state', 'what (why)'], rows, columns, !isFirst);
  return `${lines.join('\n')}\n`;
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
