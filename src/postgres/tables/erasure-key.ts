/** The keyed hashes of what was erased, and what makes sure that everybody hashes with the same key. */
import { createHmac } from 'node:crypto';
import { OperatorError } from '../../foundation/operator-error';
import type { Queries } from '../database';

/** What is hashed; `check` is a constant that tells whether a key is the one. */
export type Hashed = { kind: 'address' | 'account'; key: string } | { kind: 'check' };

/** HMAC-SHA256, in hexadecimal digits. */
export const erasureHash = (erasureKey: string, hashed: Hashed): string =>
  createHmac('sha256', erasureKey)
    .update(`${hashed.kind}\0${hashed.kind === 'check' ? '' : hashed.key}`)
    .digest('hex');

/**
 * Refuses a key that is not the one of the hashes that are there, or none: with it, the erased would be known by nobody.
 *
 * @throws OperatorError
 */
export async function requireErasureKey(db: Queries, erasureKey: string | null): Promise<void> {
  const check = erasureKey === null ? '' : erasureHash(erasureKey, { kind: 'check' });
  const [found] = await db.$queryRaw<{ some: boolean; ours: boolean }[]>`
    SELECT EXISTS (SELECT FROM erasure) AS some,
      EXISTS (SELECT FROM erasure WHERE hash = decode(${check}, 'hex')) AS ours`;
  if (!found?.some || found.ours) return;
  throw new OperatorError(
    erasureKey === null
      ? 'People were erased from this database, and ERASURE_KEY is not set: set it to the key that they were erased with, or late events would bring them back.'
      : 'ERASURE_KEY is not the key that people were erased with from this database: set it to that one, or late events would bring them back.',
  );
}

const SERVICE = 'onecontact';

/** What a service calls its sessions: whoever erases sees by it which key the service has. */
export const serviceSession = (erasureKey: string | null): string =>
  erasureKey === null ? SERVICE : `${SERVICE}, erasure key ${erasureHash(erasureKey, { kind: 'check' }).slice(0, 8)}`;

/**
 * Refuses when a service is running on the database that has not this key: it was started when nobody had been erased yet.
 *
 * @throws OperatorError
 */
export async function requireKeyOfServices(db: Queries, erasureKey: string): Promise<void> {
  const [others] = await db.$queryRaw<{ some: boolean }[]>`
    SELECT EXISTS (
      SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND application_name <> ${serviceSession(erasureKey)}
        AND (application_name = ${SERVICE} OR application_name LIKE ${`${SERVICE}, erasure key %`})) AS some`;
  if (!others?.some) return;
  throw new OperatorError(
    'A service is running on this database without this ERASURE_KEY: restart it with the key first, or late events would bring the erased back.',
  );
}
