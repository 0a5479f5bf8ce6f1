import type { Tombstone } from '../../src/contacts/profile/change';
import type { Position } from '../../src/foundation/cursor';
import { contactBody } from '../../src/messages/outgoing/contact-body';
import { exportContacts } from '../../src/operations/export/store';
import type { Database } from '../../src/postgres/database';
import { readChanges } from '../../src/postgres/feed/changes';
import { readFence } from '../../src/postgres/feed/fence';
import { eventually } from './service';

/** A reader of the change feed, with a copy of the contacts that it was told of. */
export class FeedReader {
  readonly contacts = new Map<string, object>();
  readonly tombstones = new Map<string, Tombstone>();
  position: Position | null = null;

  /**
   * Reads until nothing waits behind the fence. A transaction that a test did not begin may hold it back for a moment, such as
   * that of an autovacuum worker which stores statistics.
   */
  async catchUp(db: Database, limit = 500): Promise<void> {
    await eventually(
      async () => {
        await this.read(db, limit);
        return readFence(db);
      },
      ({ holdsBack }) => !holdsBack,
    );
    await this.read(db, limit);
  }

  /** @returns the ids of the contacts that came, in order */
  async read(db: Database, limit = 500): Promise<string[]> {
    const ids: string[] = [];
    for (;;) {
      const page = await readChanges(db, this.position, limit);
      if (typeof page === 'string') throw new Error(page);
      for (const change of page.changes) {
        const id = 'contact' in change ? change.contact.id : change.tombstone.contactId;
        this.contacts.delete(id);
        this.tombstones.delete(id);
        if ('contact' in change) this.contacts.set(id, contactBody(change.contact));
        else this.tombstones.set(id, change.tombstone);
        ids.push(id);
      }
      this.position = page.next;
      if (!page.hasMore) return ids;
    }
  }
}

/** All live contacts as the export has them, by id. */
export async function liveContacts(db: Database): Promise<Map<string, object>> {
  const contacts = new Map<string, object>();
  await exportContacts(db, (page) => {
    for (const contact of page) contacts.set(contact.id, contactBody(contact));
  });
  return contacts;
}
