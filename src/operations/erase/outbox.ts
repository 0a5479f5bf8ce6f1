import { normaliseAddress } from '../../contacts/facts/address';
import type { Queries } from '../../postgres/database';
import { deleteFromOutbox } from '../../postgres/tables/outbox';

/** What must not be told any more. */
export interface Untold {
  contacts: readonly string[];
  addresses: readonly string[];
  /** Account uids and tokens. */
  ids: readonly string[];
}

/**
 * Deletes pending notifications about some contacts, and every other one that names an address, an account or a token of
 * theirs: a mailer that got it would write to the erased address. The relay must be kept from publishing (`holdRelay`).
 *
 * @returns how many
 */
export async function eraseOutbox(tx: Queries, { contacts, addresses, ids }: Untold): Promise<number> {
  // As typed before: only the local part is surely the same but for its case. The bodies are read for the rest.
  const locals = addresses.map((address) => JSON.stringify(address.slice(0, address.indexOf('@') + 1)).slice(0, -1));
  const rows = await tx.$queryRaw<{ seq: bigint; contact_id: string; body: unknown }[]>`
    SELECT seq, contact_id, body FROM outbox
    WHERE contact_id = ANY (${contacts}::uuid[])
      OR EXISTS (SELECT FROM unnest(${[...locals, ...ids]}::text[]) AS word WHERE strpos(lower(body::text), word) > 0)`;
  const [about, names] = [new Set(contacts), new Set([...addresses, ...ids])];
  const isNamed = (text: string): boolean => {
    const normalised = normaliseAddress(text);
    return names.has(normalised.ok ? normalised.address.key : text);
  };
  const seqs = rows.filter(({ contact_id, body }) => about.has(contact_id) || [...textsIn(body)].some(isNamed));
  await deleteFromOutbox(
    tx,
    seqs.map(({ seq }) => seq),
  );
  return seqs.length;
}

function* textsIn(body: unknown): Iterable<string> {
  if (typeof body === 'string') yield body;
  else if (typeof body === 'object' && body !== null) for (const part of Object.values(body)) yield* textsIn(part);
}
