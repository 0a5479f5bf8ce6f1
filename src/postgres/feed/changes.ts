import type { Change, Tombstone } from '../../contacts/profile/change';
import type { Position } from '../../foundation/cursor';
import { type Database, inSnapshot, type Queries } from '../database';
import { loadSnapshots } from '../look-ups/find-contact';
import { FENCE } from './fence';

export interface Changes {
  changes: Change[];
  /** Where to continue. */
  next: Position;
  /** Whether more changes may be available at once. */
  hasMore: boolean;
}

/**
 * Why nothing is read. `gone`: the position is from before a restore. `not_renewed`: the database was restored from a dump,
 * with transaction ids of another server, and its epoch has not been renewed since.
 */
export type NoChanges = 'gone' | 'not_renewed';

const BEGINNING = { changedIn: 0n, contactId: '00000000-0000-0000-0000-000000000000' };

/**
 * The contacts whose last change comes after a position and before the fence, in the order of these changes. A contact that
 * changes again is returned again, but not with the states in between. A change that commits later never comes before a
 * position that was returned: its transaction has not ended, so its id is not below the fence.
 *
 * @param after null for the beginning: every contact, also those that ended
 */
export function readChanges(db: Database, after: Position | null, limit: number): Promise<Changes | NoChanges> {
  return inSnapshot(db, async (tx) => {
    const { epoch, fence, end, newest } = await readState(tx);
    if (after !== null && (after.epoch !== epoch || after.changedIn >= BigInt(end))) return 'gone';
    if (newest !== null && BigInt(newest) >= BigInt(end)) return 'not_renewed';
    const from = after ?? BEGINNING;
    const rows = await tx.$queryRaw<Row[]>`
      SELECT id, state::text AS state, merged_into AS "mergedInto", changed_in::text AS "changedIn" FROM contact
      WHERE (changed_in, id) > (${String(from.changedIn)}::xid8, ${from.contactId}::uuid) AND changed_in < ${fence}::xid8
      ORDER BY changed_in, id LIMIT ${limit}`;
    const live = rows.flatMap(({ id, state }) => (state === 'live' ? id : []));
    const contacts = new Map((await loadSnapshots(tx, live)).map((contact) => [contact.id, contact]));
    const last = rows.at(-1);
    const { changedIn, contactId } = last ? { changedIn: BigInt(last.changedIn), contactId: last.id } : from;
    return {
      changes: rows.flatMap(({ id, state, mergedInto }): Change[] => {
        if (state !== 'live') return [{ tombstone: { contactId: id, kind: state, survivorId: mergedInto } }];
        const contact = contacts.get(id);
        return contact ? [{ contact }] : [];
      }),
      next: { epoch, changedIn, contactId },
      hasMore: rows.length === limit,
    };
  });
}

interface Row {
  id: string;
  state: 'live' | Tombstone['kind'];
  mergedInto: string | null;
  changedIn: string;
}

interface State {
  epoch: string;
  fence: string;
  /** The first id that no transaction had been given when the snapshot was taken. */
  end: string;
  /** The highest `changed_in`; null without contacts. */
  newest: string | null;
}

async function readState(tx: Queries): Promise<State> {
  const [state] = await tx.$queryRaw<State[]>`
    SELECT epoch, (${FENCE})::text AS fence, pg_snapshot_xmax(pg_current_snapshot())::text AS end,
      (SELECT changed_in FROM contact ORDER BY changed_in DESC, id DESC LIMIT 1)::text AS newest
    FROM feed_epoch`;
  return state as State;
}
