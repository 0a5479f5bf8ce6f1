/** What must hold when a run is over. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { normaliseAddress } from '../../src/contacts/facts/address';
import { canonicalLine } from '../../src/contacts/profile/canonical';
import { exportContacts } from '../../src/operations/export/store';
import type { Database } from '../../src/postgres/database';
import type { DeadLetter } from './dead-letters';
import type { Happened } from './faults';
import type { Contact, Received } from './mailer';
import type { Ending } from './worker';

export interface Check {
  name: string;
  ok: boolean;
  /** In a few words: how much was looked at, or what differs. */
  detail: string;
}

const SHOWN = 3;
/** After a fault, connections come back with pauses of up to 15 s. */
const RECOVERY_MS = 15_000;

/** A check that holds when nothing is found against it. */
export function check(name: string, problems: readonly string[], looked: string): Check {
  const more = problems.length > SHOWN ? `; and ${problems.length - SHOWN} more` : '';
  const detail = problems.length === 0 ? looked : problems.slice(0, SHOWN).join('; ') + more;
  return { name, ok: problems.length === 0, detail };
}

/** The database's contacts: their canonical lines, and the primary address of each by id. */
export async function readContacts(db: Database): Promise<{ lines: string[]; primaries: Map<string, string | null> }> {
  const lines: string[] = [];
  const primaries = new Map<string, string | null>();
  await exportContacts(db, (page) => {
    for (const { id, view } of page) {
      lines.push(canonicalLine(view));
      primaries.set(id, view.primary);
    }
  });
  return { lines, primaries };
}

/** Both exports are written into the folder, for `diff`. */
export function checkExport(expected: readonly string[], actual: readonly string[], folder: string): Check {
  writeFileSync(join(folder, 'expected.ndjson'), expected.map((line) => `${line}\n`).join(''));
  writeFileSync(join(folder, 'actual.ndjson'), actual.map((line) => `${line}\n`).join(''));
  const [wanted, found] = [new Set(expected), new Set(actual)];
  const problems = [
    ...expected.filter((line) => !found.has(line)).map((line) => `missing: ${line}`),
    ...actual.filter((line) => !wanted.has(line)).map((line) => `not expected: ${line}`),
  ];
  if (problems.length === 0 && expected.join('\n') !== actual.join('\n'))
    problems.push('the same lines in another order');
  return check('the database holds what the domain makes of the same events', problems, `${expected.length} contacts`);
}

/** @param rubbish reasons by message id */
export function checkDeadLetters(rubbish: ReadonlyMap<string, string>, letters: readonly DeadLetter[]): Check {
  const there = new Set(letters.map(({ id }) => id));
  const problems = [
    ...[...rubbish].filter(([id]) => !there.has(id)).map(([id, reason]) => `${id} (${reason}) is missing`),
    ...letters
      .filter(({ id, reason }) => rubbish.get(id) !== reason)
      .map(({ id, reason, error }) => `${id} is there as ${reason} ${error}, not as ${rubbish.get(id) ?? 'anything'}`),
  ];
  return check('the dead letters are the rubbish, each with its reason', problems, `${there.size} messages`);
}

/** Each announced merge of the ledger reached the mailer under its id, and nothing else did. */
export async function checkMerges(db: Database, received: ReadonlyMap<string, Received>): Promise<Check> {
  const ledger = await db.merge.findMany({ where: { announced: true }, select: { id: true } });
  const announced = new Set(ledger.map(({ id }) => id));
  const told = [...received.values()].filter(({ type }) => type === 'contact.merged');
  const problems = [
    ...[...announced].filter((id) => received.get(id)?.type !== 'contact.merged').map((id) => `${id} was never told`),
    ...told.filter(({ id }) => !announced.has(id)).map(({ id }) => `${id} was told and is not in the ledger`),
    ...told.filter(({ id, body }) => body.merge_id !== id).map(({ id, body }) => `${id} tells of ${body.merge_id}`),
  ];
  return check('each merge was announced, under one message id', problems, `${announced.size} merges`);
}

export function checkBodies(received: ReadonlyMap<string, Received>, unreadable: number): Check {
  const problems = [...received.values()]
    .filter(({ others }) => others > 0)
    .map(({ id }) => `${id} has several bodies`);
  if (unreadable > 0) problems.push(`${unreadable} without id or content`);
  return check('a message id always says the same', problems, `${received.size} notifications`);
}

const contactOf = ({ body }: Received): Contact | undefined => body.survivor ?? body.contact;

/** What was told of a contact first is of a version that is not above what was told later. */
export function checkOrder(received: ReadonlyMap<string, Received>): Check {
  const latest = new Map<string, number>();
  const problems: string[] = [];
  for (const message of [...received.values()].sort((a, b) => a.order - b.order)) {
    const contact = contactOf(message);
    if (!contact) continue;
    const { contact_id: id, version } = contact;
    const before = latest.get(id) ?? 0;
    if (version < before) problems.push(`${message.type} ${message.id} of version ${version} came after ${before}`);
    latest.set(id, Math.max(before, version));
  }
  return check('what is told of one contact comes in its order', problems, `${latest.size} contacts were told of`);
}

/** The primary address that the mailer was told of last is the one that the contact has. */
export function checkLastTold(
  received: ReadonlyMap<string, Received>,
  primaries: ReadonlyMap<string, string | null>,
): Check {
  const last = new Map<string, Contact>();
  for (const message of received.values()) {
    const contact = contactOf(message);
    if (contact && contact.version >= (last.get(contact.contact_id)?.version ?? 0))
      last.set(contact.contact_id, contact);
  }
  const live = [...last.values()].filter(({ contact_id: id }) => primaries.has(id));
  const problems = live.flatMap(({ contact_id: id, primary_email: told, version }) => {
    const normalised = told === null ? undefined : normaliseAddress(told);
    const key = normalised?.ok ? normalised.address.key : null;
    const now = primaries.get(id) ?? null;
    return key === now ? [] : [`${id}: told ${told} (version ${version}), has ${now}`];
  });
  return check('the mailer knows the primary address of each contact', problems, `${live.length} contacts`);
}

/** Broken promises that the database itself can tell. */
export async function checkPromises(db: Database): Promise<Check> {
  const rows = await db.$queryRaw<{ problem: string }[]>`
    SELECT 'not one live token: ' || c.id AS problem FROM contact c
    LEFT JOIN basket_token t ON t.contact_id = c.id AND t.state = 'live'
    GROUP BY c.id HAVING count(t.token) <> (c.state = 'live')::int
    UNION ALL
    SELECT 'live contact without address or account: ' || c.id FROM contact c
    WHERE c.state = 'live' AND NOT EXISTS (SELECT FROM email_address a WHERE a.contact_id = c.id)
      AND NOT EXISTS (SELECT FROM account u WHERE u.contact_id = c.id AND u.deleted_at IS NULL)
    UNION ALL
    SELECT 'merged into one that is merged: ' || c.id FROM contact c JOIN contact i ON i.id = c.merged_into
    WHERE i.state = 'merged'
    UNION ALL
    SELECT 'merged, and not once in the ledger: ' || c.id FROM contact c LEFT JOIN merge m ON m.retired_id = c.id
    GROUP BY c.id HAVING count(m.id) <> (c.state = 'merged')::int
    UNION ALL
    SELECT 'on an address that nobody wrote to: ' || origin FROM choice
    WHERE origin_kind = 'address' AND NOT EXISTS (SELECT FROM email_address a WHERE a.address = origin)`;
  const problems = rows.map(({ problem }) => problem);
  return check('no contact breaks a promise of the schema', problems, `${await db.contact.count()} contacts ever`);
}

/**
 * None crashed; each that was told to stop did, with exit code 0. At its own deadline a worker gives up with 1, which it
 * may when a server or the network was away meanwhile.
 */
export function checkEndings(endings: readonly Ending[], faults: readonly Happened[]): Check {
  const hindered = ({ at, took }: Ending): boolean =>
    faults.some(({ kind, from, until }) => !kind.startsWith('worker') && from < at && until > at - took - RECOVERY_MS);
  const gaveUp = endings.filter((ending) => ending.how === 'stopped' && ending.code === 1 && hindered(ending));
  const problems = endings.flatMap((ending) => {
    const { worker, how, wasUp, code, signal, took } = ending;
    if (gaveUp.includes(ending)) return [];
    const after = `after ${(took / 1000).toFixed(1)} s`;
    if (how === 'by itself' && wasUp) return [`worker ${worker} crashed (exit code ${code}, signal ${signal})`];
    // Before it was up, it may not even have learned what the signal means.
    if (how === 'stopped' && wasUp && code !== 0)
      return [`worker ${worker} was told to stop: exit code ${code}, signal ${signal}, ${after}`];
    return [];
  });
  const stopped = endings.filter(({ how }) => how === 'stopped');
  const slowest = Math.max(0, ...stopped.map(({ took }) => took));
  return check(
    'no worker crashed; those told to stop did so with exit code 0',
    problems,
    `${stopped.length} stops, the slowest took ${(slowest / 1000).toFixed(1)} s` +
      (gaveUp.length > 0 ? `; ${gaveUp.length} gave up at the deadline, with a server or the network away` : ''),
  );
}
