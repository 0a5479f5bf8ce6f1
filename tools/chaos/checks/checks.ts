/** The checks after a run. */
import { normaliseAddress } from '../../../src/contacts/facts/address';
import { canonicalLine } from '../../../src/contacts/profile/canonical';
import { exportContacts } from '../../../src/operations/export/store';
import type { Database } from '../../../src/postgres/database';
import { brokenPromises } from '../../broken-promises';
import type { Ending as ProcessEnding } from '../../program/process';
import type { PastFault } from '../faults/injector';
import { type DeadLetter, deadLetterProblems } from './dead-letters';
import { differences } from './expected';
import type { Contact, Mailer, Received } from './mailer';

export interface Check {
  name: string;
  ok: boolean;
  /** In a few words: how much was checked, or what is wrong. */
  detail: string;
}

/** How one process of a worker ended. */
export interface Ending extends ProcessEnding {
  worker: number;
}

const SHOWN = 3;
/** Connections come back at most this long after a fault. */
const RECOVERY_MS = 15_000;

/** The first problems, and the number of the others. */
export function shorten(problems: readonly string[], shown = SHOWN): string {
  const more = problems.length > shown ? `; and ${problems.length - shown} more` : '';
  return problems.slice(0, shown).join('; ') + more;
}

/** @param checked how much, for a check without problems */
export function check(name: string, problems: readonly string[], checked: string): Check {
  return { name, ok: problems.length === 0, detail: problems.length === 0 ? checked : shorten(problems) };
}

/** The canonical lines of all contacts, and their primary addresses by contact id. */
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

export function checkExport(expected: readonly string[], actual: readonly string[]): Check {
  const problems = differences(expected, actual);
  if (problems.length === 0 && expected.join('\n') !== actual.join('\n'))
    problems.push('the same lines in another order');
  return check('the database holds what the domain makes of the same events', problems, `${expected.length} contacts`);
}

/** @param invalid expected reasons by message id */
export function checkDeadLetters(invalid: ReadonlyMap<string, string>, letters: readonly DeadLetter[]): Check {
  const ids = new Set(letters.map(({ id }) => id));
  const problems = deadLetterProblems(invalid, letters);
  return check('the dead letters are the invalid messages, each with its reason', problems, `${ids.size} messages`);
}

/** Every announced merge of the ledger reached the mailer under its id, and no other merge did. */
export async function checkMerges(db: Database, { received }: Mailer): Promise<Check> {
  const ledger = await db.merge.findMany({ where: { announced: true }, select: { id: true } });
  const announced = new Set(ledger.map(({ id }) => id));
  const notified = [...received.values()].filter(({ type }) => type === 'contact.merged');
  const problems = [
    ...[...announced]
      .filter((id) => received.get(id)?.type !== 'contact.merged')
      .map((id) => `${id} was never announced`),
    ...notified.filter(({ id }) => !announced.has(id)).map(({ id }) => `${id} was announced and is not in the ledger`),
    ...notified.filter(({ id, mergeId }) => mergeId !== id).map(({ id, mergeId }) => `${id} announces ${mergeId}`),
  ];
  return check('each merge was announced, under one message id', problems, `${announced.size} merges`);
}

export function checkBodies({ received, unreadable }: Mailer): Check {
  const problems = [...received.values()]
    .filter(({ others }) => others > 0)
    .map(({ id }) => `${id} has several bodies`);
  if (unreadable > 0) problems.push(`${unreadable} without id or content`);
  return check('a message id always says the same', problems, `${received.size} notifications`);
}

const describing = ({ received }: Mailer): (Received & { contact: Contact })[] =>
  [...received.values()].flatMap((it) => (it.contact ? { ...it, contact: it.contact } : []));

/** The versions in a contact's notifications never decrease. */
export function checkOrder(mailer: Mailer): Check {
  const latest = new Map<string, number>();
  const problems: string[] = [];
  for (const { id, type, contact } of describing(mailer)) {
    const { contact_id, version } = contact;
    const before = latest.get(contact_id) ?? 0;
    if (version < before) problems.push(`${type} ${id} of version ${version} came after ${before}`);
    latest.set(contact_id, Math.max(before, version));
  }
  return check('notifications about one contact arrive in order', problems, `${latest.size} contacts`);
}

/** Each contact's latest notification has its present primary address. */
export function checkLatestAddress(mailer: Mailer, primaries: ReadonlyMap<string, string | null>): Check {
  const latest = new Map<string, Contact>();
  for (const { contact } of describing(mailer)) {
    if (contact.version >= (latest.get(contact.contact_id)?.version ?? 0)) latest.set(contact.contact_id, contact);
  }
  const live = [...latest.values()].filter(({ contact_id }) => primaries.has(contact_id));
  const problems = live.flatMap(({ contact_id: id, primary_email: typed, version }) => {
    const normalised = typed === null ? undefined : normaliseAddress(typed);
    const key = normalised?.ok ? normalised.address.key : null;
    const now = primaries.get(id) ?? null;
    return key === now ? [] : [`${id}: notified of ${typed} (version ${version}), has ${now}`];
  });
  return check('the mailer knows the primary address of each contact', problems, `${live.length} contacts`);
}

export async function checkPromises(db: Database): Promise<Check> {
  const sql = <T>(text: string): Promise<T[]> => db.$queryRawUnsafe<T[]>(text);
  const problems = await brokenPromises({ sql }, 'published events');
  return check('no contact breaks a promise of the schema', problems, `${await db.contact.count()} contacts ever`);
}

/**
 * No worker crashed, and stopped workers exited with 0. At its shutdown deadline a worker exits with 1, which is allowed
 * if a server or the network was down meanwhile.
 */
export function checkEndings(endings: readonly Ending[], faults: readonly PastFault[]): Check {
  const hindered = ({ at, took }: Ending): boolean =>
    faults.some(({ kind, from, until }) => !kind.startsWith('worker') && from < at && until > at - took - RECOVERY_MS);
  const stopped = endings.filter(({ how }) => how === 'stopped');
  const gaveUp = stopped.filter((ending) => ending.code === 1 && hindered(ending));
  const problems = endings.flatMap((ending) => {
    const { worker, how, wasUp, code, signal, took } = ending;
    // Before it is up, a worker exits when it finds no database, and may have no handler for the signal.
    if (gaveUp.includes(ending) || !wasUp) return [];
    if (how === 'by itself') return [`worker ${worker} crashed (exit code ${code}, signal ${signal})`];
    if (how === 'killed' || code === 0) return [];
    const after = `after ${(took / 1000).toFixed(1)} s`;
    return [`worker ${worker} was told to stop: exit code ${code}, signal ${signal}, ${after}`];
  });
  const slowest = Math.max(0, ...stopped.map(({ took }) => took));
  const tolerated = `; ${gaveUp.length} gave up at the deadline, with a server or the network away`;
  return check(
    'no worker crashed; those told to stop did so with exit code 0',
    problems,
    `${stopped.length} stops, the slowest took ${(slowest / 1000).toFixed(1)} s${gaveUp.length > 0 ? tolerated : ''}`,
  );
}
