import type { Queries } from '../../postgres/database';

/** A live contact, all that were merged into it, at any depth, and what is in the ledger and in mails of them. */
export interface ContactGroup {
  /** Sorted, locked until the commit. */
  contacts: string[];
  /** Live and retired. */
  tokens: string[];
  /** Merges with one of them on either side. */
  merges: string[];
}

export async function lockContactGroup(tx: Queries, contactId: string): Promise<ContactGroup> {
  const contacts = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM contact WHERE id = ${contactId}::uuid OR merged_into = ${contactId}::uuid ORDER BY id FOR UPDATE`;
  const ids = contacts.map(({ id }) => id);
  const tokens = await tx.$queryRaw<{ token: string }[]>`
    SELECT token FROM basket_token
    WHERE (contact_id = ANY (${ids}::uuid[]) AND state = 'live') OR (contact_id = ANY (${ids}::uuid[]) AND state = 'retired')`;
  const merges = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM merge WHERE survivor_id = ANY (${ids}::uuid[]) OR retired_id = ANY (${ids}::uuid[])`;
  return { contacts: ids, tokens: tokens.map(({ token }) => token), merges: merges.map(({ id }) => id) };
}

/** Leaves of contacts their ids: those are given to nobody else, and answer like ids that never were. */
export async function eraseContacts(tx: Queries, { contacts, tokens }: ContactGroup): Promise<void> {
  await tx.$executeRaw`DELETE FROM basket_token WHERE token = ANY (${tokens}::uuid[])`;
  await tx.$executeRaw`
    UPDATE contact SET state = 'erased', merged_into = NULL, version = 0, created_at = 'epoch'
    WHERE id = ANY (${contacts}::uuid[])`;
}
