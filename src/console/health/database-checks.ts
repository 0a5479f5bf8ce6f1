/** The parts that the database tells about. */
import { countHeldClaims } from '../../operations/collisions/store';
import { count, number } from '../../operations/render';
import { type Database, inTransaction, type Transaction } from '../../postgres/database';
import { NotUsable, requireUsable } from '../../postgres/database-health';
import { databaseSize } from '../../postgres/database-size';
import { connectionProblem } from '../../postgres/errors';
import { type FenceAge, readFence } from '../../postgres/feed/fence';
import { requireSchema } from '../../postgres/migrations/require-schema';
import { lastCompaction } from '../../postgres/tables/compaction';
import { requireErasureKey } from '../../postgres/tables/erasure';
import { outboxState } from '../../postgres/tables/outbox';
import { outboxProblems } from '../../relay/outbox-health';
import { CHECK_MS, check, type Finding, ok, toDo } from './check';

export interface DatabaseChecks {
  db: Database;
  erasureKey: string | null;
  /** What earlier checks have seen. */
  fenceAge: FenceAge;
  now?: number;
}

const DAY_MS = 86_400_000;
/** Compaction runs once a day. */
const COMPACTION_OVERDUE_MS = 3 * DAY_MS;
/** A transaction takes seconds at most, unless it was forgotten. */
const FENCE_SECONDS = 60;

export function databaseFindings({ db, erasureKey, fenceAge, now = Date.now() }: DatabaseChecks): Promise<Finding[]> {
  /** The server ends it when the check has given up. */
  const brief = <T>(work: (tx: Transaction) => Promise<T>): Promise<T> =>
    inTransaction(db, async (tx) => {
      await tx.$executeRaw`SELECT set_config('statement_timeout', ${`${CHECK_MS}ms`}, true)`;
      return work(tx);
    });
  return Promise.all([
    check('Database', () =>
      requireUsable(db, true).then(
        () => ok('It answers, and can be written to.'),
        (error) => toDo('It cannot be used: no page works, and no message is handled.', problemOf(error)),
      ),
    ),
    check('Schema', async () => {
      await requireSchema(db, 'write');
      return ok('It is the one that this version needs.');
    }),
    check('Erasure key', async () => {
      await brief((tx) => requireErasureKey(tx, erasureKey));
      if (erasureKey !== null) return ok('It is set, and matches all earlier erasures.');
      return toDo('No person can be erased: there is no key.', 'Set ERASURE_KEY for the console and the service.');
    }),
    check('Notifications', async () => {
      const outbox = await brief(outboxState);
      const text =
        outbox.pending === 0
          ? 'The mailer was told of everything.'
          : `Waiting to be sent to the mailer: ${count(outbox.pending, 'notification')}, the oldest for ${number(Math.round(outbox.oldestSeconds))} s.`;
      return toDo(text, ...outboxProblems(outbox));
    }),
    check('Change feed', async () => {
      const seconds = Math.round(fenceAge.observe(await brief(readFence)));
      if (seconds < FENCE_SECONDS) return ok('Its readers get every change within moments.');
      return toDo(
        `An open transaction has held changes back for at least ${number(seconds)} s: readers of the feed do not see them yet. Nothing is lost.`,
        'Find the transaction in pg_stat_activity, and end it if it was forgotten.',
      );
    }),
    check('Maintenance', async () => {
      const at = await brief(lastCompaction);
      if (at === null) return ok('Old data was not removed yet. The first run takes a while.');
      const text = `Old data was last removed on ${new Date(at).toISOString().slice(0, 10)}.`;
      if (now - at < COMPACTION_OVERDUE_MS) return ok(text);
      return toDo(`${text} It is overdue: the database grows.`, 'Run the part maintenance in one process at least.');
    }),
    check('Collisions', async () => {
      const held = await brief((tx) => countHeldClaims(tx, {}));
      if (held === 0) return ok('Nothing waits for a decision.');
      const more = { path: '/collisions', name: 'Collisions' };
      return { ...toDo(`Waiting for a decision: ${count(held, 'claim')} of an address.`, 'Decide about them.'), more };
    }),
    check('Size', async () => {
      const { bytes, contacts, merges } = await brief(databaseSize);
      return ok(
        `${number(Math.ceil(bytes / 1_048_576))} MiB on disk. By the last estimate of the server: ${count(contacts, 'contact')}, ${count(merges, 'merge')}.`,
      );
    }),
  ]);
}

/** Its own errors say what is wrong; others may not be shown as they are. */
const problemOf = (error: unknown): string => (error instanceof NotUsable ? error.message : connectionProblem(error));
