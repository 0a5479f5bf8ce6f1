/** The commands that repeat the decisions of an export, with the names and ids of this database. */
import { readFile } from 'node:fs/promises';
import type { Time } from '../../contacts/facts/event';
import { parseJson } from '../../foundation/json';
import { OperatorError } from '../../foundation/operator-error';
import type { Queries } from '../../postgres/database';
import { hasOptOutFrom } from '../../postgres/tables/choice';
import { erasureHash } from '../../postgres/tables/erasure';
import { STAFF_SOURCE } from '../audited';
import { harmless } from '../render';
import { storedKeys } from '../stored-keys';
import { ExportedEntry } from './export';

/** @throws OperatorError if the file does not exist, or is not an export */
export async function readExport(path: string): Promise<ExportedEntry[]> {
  const text = await readFile(path, 'utf8').catch(({ code }: NodeJS.ErrnoException) => {
    throw new OperatorError(
      `The export cannot be read (${code}): name a file that \`onecontact audit --export\` wrote.`,
    );
  });
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    const read = ExportedEntry.safeParse(parseJson(line));
    if (read.success) return [read.data];
    throw new OperatorError(`Line ${i + 1} was not written by \`onecontact audit --export\`.`);
  });
}

/**
 * Lines for a shell, in the order of the export. A decision that cannot be repeated now becomes a comment: its merge or
 * claim is not in the database yet, or the decision has already been made.
 */
export async function commandsAgain(
  db: Queries,
  entries: readonly ExportedEntry[],
  erasureKey: string,
): Promise<string[]> {
  const optedOut = await optedOutAddresses(db, entries, erasureKey);
  const undone = new Set<string>();
  const lines: string[] = [];
  for (const entry of entries) {
    const { command, account_id: uid, address_hashes = [], trigger_event_id: eventId } = entry;
    if (command === 'opt-out') {
      const address = optedOut.get(address_hashes[0] ?? '');
      const isDone = address && (await hasOptOutFrom(db, STAFF_SOURCE, { address, since: Date.parse(entry.at) }));
      if (address && !isDone) lines.push(shell(command, '--reason', AGAIN, '--', address));
      else lines.push(notNow(entry, address ? 'done already' : 'no contact has the address'));
      continue;
    }
    if (uid === undefined) {
      const { file = '', at } = entry;
      const isDone = await isImportedSince(db, file, Date.parse(at));
      lines.push(isDone ? notNow(entry, `${harmless(file)}, done already`) : shell(command, '--', file));
      continue;
    }
    const addresses = (await claimedBy(db, uid)).filter(({ address }) =>
      address_hashes.includes(erasureHash(erasureKey, { kind: 'address', key: address })),
    );
    if (command === 'merges undo') {
      // An erasure can leave merges without their event.
      const [merge] = eventId ? await mergesOf(db, uid, eventId) : [];
      if (merge && !merge.isUndone) {
        for (const { address } of addresses) undone.add(`${uid} ${address}`);
        lines.push(shell(command, merge.id, '--yes'));
      } else lines.push(notNow(entry, merge ? 'done already' : 'no merge of this event'));
      continue;
    }
    const isOpen = ({ address, isHeld, isBlocked }: Claimed): boolean =>
      command === 'collisions resolve' ? isHeld : isBlocked || undone.has(`${uid} ${address}`);
    const open = addresses.filter(isOpen);
    const yes = command === 'merges unblock' ? ['--yes'] : [];
    for (const { address } of open) lines.push(shell(command, ...yes, '--', uid, address));
    if (open.length === 0) lines.push(notNow(entry, addresses.length > 0 ? 'nothing to do' : 'no such claim'));
  }
  return lines;
}

const notNow = ({ at, command, account_id }: ExportedEntry, why: string): string =>
  `# ${at} ${command}${account_id === undefined ? '' : `, account ${account_id}`}: ${why}`;

/** @param command may be several words */
const shell = (command: string, ...args: readonly string[]): string =>
  ['onecontact', command, ...args.map(quoted)].join(' ');

const quoted = (word: string): string => (/^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** The reason for a repeated opt-out: the export does not contain the original one. */
const AGAIN = 'again, after a restore';

/** The addresses of opt-outs, by their hashes, as far as they are stored. */
async function optedOutAddresses(
  db: Queries,
  entries: readonly ExportedEntry[],
  erasureKey: string,
): Promise<Map<string, string>> {
  const hashes = new Set(entries.flatMap((it) => (it.command === 'opt-out' ? (it.address_hashes ?? []) : [])));
  const found = new Map<string, string>();
  if (hashes.size === 0) return found;
  for await (const key of storedKeys(db, 'address')) {
    const hash = erasureHash(erasureKey, { kind: 'address', key });
    if (hashes.has(hash)) found.set(hash, key);
  }
  return found;
}

interface Claimed {
  address: string;
  isHeld: boolean;
  isBlocked: boolean;
}

const claimedBy = (db: Queries, uid: string): Promise<Claimed[]> => db.$queryRaw`
  SELECT address,
    EXISTS (SELECT FROM address_claim AS held WHERE held.uid = ${uid} AND held.address = claimed.address AND status = 'held') AS "isHeld",
    EXISTS (SELECT FROM claim_block AS block WHERE block.uid = ${uid} AND block.address = claimed.address) AS "isBlocked"
  FROM (SELECT DISTINCT address FROM address_claim WHERE uid = ${uid} AND NOT continues) AS claimed ORDER BY address`;

/** Undone merges come first, because an unblocked claim may have merged again, for the same event. */
const mergesOf = (db: Queries, uid: string, eventId: string): Promise<{ id: string; isUndone: boolean }[]> =>
  db.$queryRaw`
    SELECT id, undone_at IS NOT NULL AS "isUndone" FROM merge
    WHERE uid = ${uid} AND trigger_id = ${eventId} ORDER BY undone_at NULLS LAST, seq`;

async function isImportedSince(db: Queries, file: string, at: Time): Promise<boolean> {
  const [found] = await db.$queryRaw<{ done: boolean }[]>`
    SELECT EXISTS (
      SELECT FROM audit WHERE command = 'import' AND target ->> 'file' = ${file} AND result IS NOT NULL
        AND at >= to_timestamp(${at}::float8 / 1000)) AS done`;
  return found?.done ?? false;
}
