import { storedKeyOf } from '../../contacts/facts/address';
import type { Address } from '../../contacts/facts/event';
import { Facts } from '../../contacts/facts/facts';
import { addressFacts } from '../../contacts/facts/record';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import type { Queries } from '../../postgres/database';
import { ids } from '../../postgres/ids';
import { loadConsent } from '../../postgres/load-facts';
import { lockAndLoad } from '../../postgres/lock-and-load';
import { inOneStatement } from '../../postgres/statement';
import { insertAccounts } from '../../postgres/tables/account';
import { insertClaims } from '../../postgres/tables/address-claim';
import { insertChoices } from '../../postgres/tables/choice';
import { updateAddresses } from '../../postgres/tables/email-address';
import { deleteFromOutbox } from '../../postgres/tables/outbox';
import type { ErasurePlan, Pseudonyms } from './plan';

/** Everything known of the people whom an address leads to, locked until the commit. */
export interface LockedFacts {
  facts: Facts;
  component: ConnectedComponent;
  /** The contact of each stored address. */
  contactOf: ReadonlyMap<string, string>;
}

/**
 * Locks and loads the connected component of an address. An unknown address is inserted, which locks it: an event that
 * names it waits, and then finds it erased.
 */
export async function lockAndLoadFacts(tx: Queries, address: Address): Promise<LockedFacts> {
  const incoming = new Facts();
  incoming.addAddress(addressFacts(address, 0));
  const { facts, component, rows, fresh } = await lockAndLoad(tx, {
    incoming,
    candidates: new Map([[address.key, ids.contact()]]),
    seeds: { addresses: [address.key], uids: [], tokens: [] },
  });
  await loadConsent(tx, component, facts);
  const contactOf = new Map([...rows.address].filter(([key]) => !fresh.address.has(key)));
  return { facts, component, contactOf };
}

/** A live contact, the contacts that were merged into it at any depth, and their tokens and merges. */
export interface ContactGroup {
  /** Sorted, locked until the commit. */
  contacts: string[];
  /** Live and retired. */
  tokens: string[];
  /** Merges with one of these contacts on either side. */
  merges: string[];
}

export async function lockContactGroup(tx: Queries, contactId: string): Promise<ContactGroup> {
  const contacts = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM contact WHERE id = ${contactId}::uuid OR merged_into = ${contactId}::uuid ORDER BY id FOR UPDATE`;
  const contactIds = contacts.map(({ id }) => id);
  const tokens = await tx.$queryRaw<{ token: string }[]>`
    SELECT token FROM basket_token
    WHERE (contact_id = ANY (${contactIds}::uuid[]) AND state = 'live')
       OR (contact_id = ANY (${contactIds}::uuid[]) AND state = 'retired')`;
  const merges = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM merge WHERE survivor_id = ANY (${contactIds}::uuid[]) OR retired_id = ANY (${contactIds}::uuid[])`;
  return { contacts: contactIds, tokens: tokens.map(({ token }) => token), merges: merges.map(({ id }) => id) };
}

/** Numbers of deleted rows. */
export interface ErasedFacts {
  addresses: number;
  accounts: number;
  claims: number;
  choices: number;
}

/**
 * Deletes the facts of a person, and writes the replacements that other people need.
 *
 * @param contactOf the contact of each address that stays, because it belongs to another person.
 */
export async function eraseFacts(
  tx: Queries,
  { addresses, uids, choices, profiles, replacements }: ErasurePlan,
  contactOf: ReadonlyMap<string, string>,
): Promise<ErasedFacts> {
  const erased = {
    addresses: await tx.$executeRaw`DELETE FROM email_address WHERE address = ANY (${addresses}::text[])`,
    accounts: await tx.$executeRaw`DELETE FROM account WHERE uid = ANY (${uids}::text[])`,
    claims: await tx.$executeRaw`
      DELETE FROM address_claim WHERE address = ANY (${addresses}::text[]) OR uid = ANY (${uids}::text[])`,
    choices:
      (await tx.$executeRaw`
        DELETE FROM choice
        WHERE (origin_kind = 'address' AND origin = ANY (${addresses}::text[]))
           OR (origin_kind = 'account' AND origin = ANY (${uids}::text[]))`) +
      (await tx.$executeRaw`
        DELETE FROM choice AS known
        USING unnest(
          ${choices.map(({ origin }) => origin.key)}::text[], ${choices.map(({ newsletter }) => newsletter)}::text[],
          ${choices.map(({ at }) => at)}::float8[]
        ) AS x (origin, newsletter, at)
        WHERE known.origin = x.origin AND known.origin_kind = 'address' AND known.newsletter = x.newsletter
          AND known.at = to_timestamp(x.at / 1000)`),
  };
  await insertAccounts(
    tx,
    replacements.accounts.map((facts) => ({ facts, contactId: null })),
  );
  await inOneStatement(tx, [
    updateAddresses(profiles.map((facts) => ({ facts, contactId: contactOf.get(facts.address) as string }))),
    insertClaims(replacements.claims),
    insertChoices(replacements.choices),
  ]);
  return erased;
}

/**
 * Deletes merges with the blocks that their undoing left, and removes erased addresses and accounts from the merges of
 * other people. Merges of accounts that ever shared an address with the erased person lose their explanations, which
 * contain names.
 *
 * @param merges ids of the merges to delete.
 * @param uids the accounts whose merges may name the erased person.
 */
export async function eraseMerges(
  tx: Queries,
  { merges, pseudonyms, uids }: { merges: readonly string[]; pseudonyms: Pseudonyms; uids: readonly string[] },
): Promise<void> {
  const [addresses, accounts] = [[...pseudonyms.address.keys()], [...pseudonyms.account.keys()]];
  await tx.$executeRaw`
    DELETE FROM claim_block
    WHERE merge_id = ANY (${merges}::uuid[]) OR address = ANY (${addresses}::text[]) OR uid = ANY (${accounts}::text[])`;
  await tx.$executeRaw`DELETE FROM merge WHERE id = ANY (${merges}::uuid[])`;
  await tx.$executeRaw`
    WITH pseudonym AS (
      SELECT * FROM unnest(${accounts}::text[], ${[...pseudonyms.account.values()]}::text[]) AS x (uid, name)
    ),
    renamed AS (
      SELECT merge.id, coalesce(survivor.name, merge.uid) AS uid, coalesce(retired.name, merge.claimant) AS claimant,
        survivor.name IS NOT NULL OR retired.name IS NOT NULL OR addresses && ${addresses}::text[] AS is_named
      FROM merge
      LEFT JOIN pseudonym AS survivor ON survivor.uid = merge.uid
      LEFT JOIN pseudonym AS retired ON retired.uid = merge.claimant
      WHERE merge.uid = ANY (${uids}::text[])
    )
    UPDATE merge AS known SET
      uid = renamed.uid, claimant = renamed.claimant, explanation = NULL,
      addresses = ARRAY (
        SELECT address FROM unnest(known.addresses) WITH ORDINALITY AS x (address, ordinal)
        WHERE address <> ALL (${addresses}::text[]) ORDER BY ordinal),
      -- It can be a hash of the event's content.
      trigger_id = CASE WHEN is_named THEN '' ELSE known.trigger_id END
    FROM renamed
    WHERE known.id = renamed.id AND (is_named OR known.explanation IS NOT NULL)`;
}

/** Deletes tokens. Of contacts only the ids stay: they are never issued again, and answer like unknown ids. */
export async function eraseContacts(tx: Queries, { contacts, tokens }: ContactGroup): Promise<void> {
  await tx.$executeRaw`DELETE FROM basket_token WHERE token = ANY (${tokens}::uuid[])`;
  await tx.$executeRaw`DELETE FROM first_import WHERE record_id = ANY (${contacts}::uuid[])`;
  await tx.$executeRaw`
    UPDATE contact SET state = 'erased', merged_into = NULL, version = 0, created_at = 'epoch'
    WHERE id = ANY (${contacts}::uuid[])`;
}

/** What pending notifications must not name. */
export interface ErasedNames {
  contacts: readonly string[];
  addresses: readonly string[];
  uids: readonly string[];
  tokens: readonly string[];
}

/**
 * Deletes pending notifications about erased contacts, and all others that name an erased address, account or token: a
 * mailer would write to the erased address. The relay must be kept from publishing (`holdRelay`).
 *
 * @returns how many were deleted
 */
export async function eraseNotifications(tx: Queries, erased: ErasedNames): Promise<number> {
  // Notifications have addresses as typed. Only the local part is certain to be the same, except for its case: it
  // selects candidates, whose bodies are then read.
  const locals = erased.addresses.map((address) =>
    JSON.stringify(address.slice(0, address.indexOf('@') + 1)).slice(0, -1),
  );
  const words = [...locals, ...erased.uids, ...erased.tokens];
  const rows = await tx.$queryRaw<{ seq: bigint; contact_id: string; body: unknown }[]>`
    SELECT seq, contact_id, body FROM outbox
    WHERE contact_id = ANY (${erased.contacts}::uuid[])
      OR EXISTS (SELECT FROM unnest(${words}::text[]) AS word WHERE strpos(lower(body::text), word) > 0)`;
  const contacts = new Set(erased.contacts);
  const names = new Set([...erased.addresses, ...erased.uids, ...erased.tokens]);
  const isErased = (text: string): boolean => names.has(storedKeyOf(text) ?? text);
  const seqs = rows
    .filter(({ contact_id, body }) => contacts.has(contact_id) || [...textsIn(body)].some(isErased))
    .map(({ seq }) => seq);
  await deleteFromOutbox(tx, seqs);
  return seqs.length;
}

function* textsIn(body: unknown): Iterable<string> {
  if (typeof body === 'string') yield body;
  else if (typeof body === 'object' && body !== null) for (const part of Object.values(body)) yield* textsIn(part);
}
