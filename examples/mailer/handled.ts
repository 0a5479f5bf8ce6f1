/** What the mailer remembers, in one table of its own. Rows can be deleted after some weeks. */
import { Pool, type PoolClient } from 'pg';
import type { Message } from './mails';

export interface Subject {
  contactId: string | null;
  version: number;
  /** The event that caused the message. */
  eventId: string | null;
}

/** The contact that a message is about, whatever its type; of an undone merge, the survivor. */
export function subjectOf({ body }: Pick<Message, 'body'>): Subject {
  const { survivor, contact, trigger, ...rest } = body as Partial<Record<'survivor' | 'contact' | 'trigger', Part>> &
    Part;
  const part = survivor ?? contact ?? rest;
  return {
    contactId: part.contact_id ?? null,
    version: part.version ?? 0,
    eventId: trigger?.event_id ?? null,
  };
}

interface Part {
  contact_id?: string;
  version?: number;
  event_id?: string;
}

export class Handled {
  readonly #pool: Pool;

  constructor(url: string) {
    this.#pool = new Pool({ connectionString: url, max: 2 });
    this.#pool.on('error', () => undefined); // the next query says what is wrong
  }

  async prepare(): Promise<void> {
    await this.#pool.query(`
      CREATE TABLE IF NOT EXISTS handled_message (
        message_id uuid PRIMARY KEY,
        type text NOT NULL,
        contact_id uuid,
        version int NOT NULL,
        event_id text,
        mails_sent int NOT NULL DEFAULT 0,
        done boolean NOT NULL DEFAULT false,
        handled_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX IF NOT EXISTS handled_message_contact ON handled_message (contact_id)`);
  }

  /**
   * Runs the work on a message unless it is done. The row is locked meanwhile: another mailer that has the same message
   * waits. The work gets the number of mails that an earlier attempt has sent, and a function to note each.
   */
  async once(
    message: Message,
    work: (
      state: { sent: number; isStale: boolean; isToldByMerge: boolean },
      noteSent: () => Promise<void>,
    ) => Promise<void>,
  ): Promise<void> {
    const { contactId, version, eventId } = subjectOf(message);
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      await client.query(
        `INSERT INTO handled_message (message_id, type, contact_id, version, event_id) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING`,
        [message.id, message.type, contactId, version, eventId],
      );
      await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [message.id]);
      const row = await stateOf(client, message.id, contactId, version, eventId);
      if (row.done) return;
      await work(row, async () => {
        await client.query('UPDATE handled_message SET mails_sent = mails_sent + 1 WHERE message_id = $1', [
          message.id,
        ]);
      });
      await client.query('UPDATE handled_message SET done = true WHERE message_id = $1', [message.id]);
    } catch (error) {
      broken = error as Error;
      throw error;
    } finally {
      if (!broken) await client.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
      client.release(broken); // a broken connection is closed, which unlocks
    }
  }

  /** Forgets which messages were about a contact that ended. Their ids stay, because each may be delivered again. */
  async forget(contactId: string): Promise<void> {
    await this.#pool.query(
      `UPDATE handled_message SET contact_id = NULL, event_id = NULL
       WHERE contact_id = $1 AND type NOT IN ('contact.closed', 'contact.erased')`,
      [contactId],
    );
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}

async function stateOf(
  client: PoolClient,
  id: string,
  contactId: string | null,
  version: number,
  eventId: string | null,
): Promise<{ done: boolean; sent: number; isStale: boolean; isToldByMerge: boolean }> {
  const { rows } = await client.query(
    `SELECT done, mails_sent AS sent,
       EXISTS (
         SELECT FROM handled_message
         WHERE contact_id = $2 AND message_id <> $1
           AND (type IN ('contact.closed', 'contact.erased')
             OR version > $3 AND type IN ('contact.merged', 'contact.unmerged', 'contact.email_changed'))
       ) AS "isStale",
       EXISTS (SELECT FROM handled_message WHERE contact_id = $2 AND event_id = $4 AND type = 'contact.merged' AND done)
         AS "isToldByMerge"
     FROM handled_message WHERE message_id = $1`,
    [id, contactId, version, eventId],
  );
  return rows[0];
}
