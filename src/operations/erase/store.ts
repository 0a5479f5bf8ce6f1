import type { Address } from '../../contacts/facts/event';
import { Facts } from '../../contacts/facts/facts';
import { addressFacts } from '../../contacts/facts/record';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { addressesOwnedBy, ownerOf, type Person } from '../../contacts/identity/ownership';
import { OperatorError } from '../../foundation/operator-error';
import { StaleReadError } from '../../postgres/batch/find-component';
import { loadConsent } from '../../postgres/batch/load-facts';
import { lockAndLoad, namedBy } from '../../postgres/batch/lock-and-load';
import type { Queries } from '../../postgres/database';
import { ids } from '../../postgres/ids';
import { inOneStatement } from '../../postgres/statement';
import { insertAccounts } from '../../postgres/tables/account';
import { insertClaims } from '../../postgres/tables/address-claim';
import { insertChoices } from '../../postgres/tables/choice';
import { updateAddresses } from '../../postgres/tables/email-address';
import { deleteFromOutbox } from '../../postgres/tables/outbox';
import { removeChanges } from '../../postgres/tables/outbox-changes';
import { mentionsOf, type Names, wordsOf } from '../mentions';
import type { ErasurePlan, Pseudonyms } from './plan';

/** Everything known about the people to whom an address leads, locked until the commit. */
export interface LockedFacts {
  facts: Facts;
  component: ConnectedComponent;
  /** The contact of each stored address. */
  contactOf: ReadonlyMap<string, string>;
  /** The person to erase, and the person's contact; null for an unknown address. */
  person: Person;
  contactId: string | null;
}

/** Whom to erase: the person with an address, or with a live contact (whose address may no longer be accepted as input). */
export type Wanted = Address | { contactId: string };

export class UnknownContactError extends OperatorError {
  constructor() {
    super('No live contact has this id.');
  }
}

/**
 * Locks and loads the connected component of a person. An unknown address is inserted, which locks it: an event that
 * names it waits, and then finds it erased.
 *
 * @throws UnknownContactError if no live contact has the id
 */
export async function lockAndLoadFacts(tx: Queries, wanted: Wanted): Promise<LockedFacts> {
  const incoming = new Facts();
  if ('key' in wanted) incoming.addAddress(addressFacts(wanted, 0));
  const members = 'key' in wanted ? { addresses: [wanted.key], uids: [] } : await membersOf(tx, wanted.contactId);
  const { facts, component, rows, fresh } = await lockAndLoad(tx, {
    ...namedBy(incoming, new Map([...incoming.addresses.keys()].map((key) => [key, ids.contact()]))),
    seeds: { ...members, tokens: [] },
  });
  await loadConsent(tx, component, facts);
  const contactOf = new Map([...rows.address].filter(([key]) => !fresh.address.has(key)));
  const [address] = members.addresses;
  const [uid = address === undefined ? null : ownerOf(facts, address)] = members.uids;
  const contactId = address === undefined ? rows.account.get(uid as string) : contactOf.get(address);
  if ('contactId' in wanted && contactId !== wanted.contactId) throw new StaleReadError();
  const addresses = uid === null ? members.addresses : addressesOwnedBy(facts, uid);
  return { facts, component, contactOf, contactId: contactId ?? null, person: { uid, addresses } };
}

/** An address of a live contact, or the account of a contact without addresses. */
async function membersOf(tx: Queries, contactId: string): Promise<ConnectedComponent> {
  const [address] = await tx.$queryRaw<{ address: string }[]>`
    SELECT address FROM email_address WHERE contact_id = ${contactId}::uuid ORDER BY address LIMIT 1`;
  if (address) return { addresses: [address.address], uids: [] };
  const [account] = await tx.$queryRaw<
    { uid: string }[]
  >`SELECT uid FROM account WHERE contact_id = ${contactId}::uuid`;
  if (account) return { addresses: [], uids: [account.uid] };
  throw new UnknownContactError();
}

/** A live contact, the contacts that were merged into it at any depth, and their tokens and merges. */
export interface ContactGroup {
  /** Sorted, locked until the commit. */
  contacts: string[];
  /** Live and retired. */
  tokens: string[];
  /** The live contact's token. */
  liveToken: string | null;
  /** Merges with one of these contacts on either side. */
  merges: string[];
}

export async function lockContactGroup(tx: Queries, contactId: string): Promise<ContactGroup> {
  const contacts = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM contact WHERE id = ${contactId}::uuid OR merged_into = ${contactId}::uuid ORDER BY id FOR UPDATE`;
  const contactIds = contacts.map(({ id }) => id);
  const tokens = await tx.$queryRaw<{ token: string; is_live: boolean }[]>`
    SELECT token, state = 'live' AND contact_id = ${contactId}::uuid AS is_live FROM basket_token
    WHERE (contact_id = ANY (${contactIds}::uuid[]) AND state = 'live')
       OR (contact_id = ANY (${contactIds}::uuid[]) AND state = 'retired')`;
  const merges = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM merge WHERE survivor_id = ANY (${contactIds}::uuid[]) OR retired_id = ANY (${contactIds}::uuid[])`;
  return {
    contacts: contactIds,
    tokens: tokens.map(({ token }) => token),
    liveToken: tokens.find(({ is_live }) => is_live)?.token ?? null,
    merges: merges.map(({ id }) => id),
  };
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
 * Deletes merges with the blocks that their undo left, and removes erased addresses and accounts from the merges of
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

/**
 * Deletes tokens, and everything about contacts but their ids. The ids are never issued again, and answer like unknown
 * ids.
 */
export async function eraseContacts(
  tx: Queries,
  { contacts, tokens }: Pick<ContactGroup, 'contacts' | 'tokens'>,
): Promise<void> {
  await tx.$executeRaw`DELETE FROM basket_token WHERE token = ANY (${tokens}::uuid[])`;
  await tx.$executeRaw`DELETE FROM first_import WHERE record_id = ANY (${contacts}::uuid[])`;
  await tx.$executeRaw`
    UPDATE contact SET state = 'erased', merged_into = NULL, version = 0, created_at = 'epoch', updated_at = NULL
    WHERE id = ANY (${contacts}::uuid[])`;
}

/**
 * Deletes pending notifications about erased contacts, and all others that name an erased address, account or token: a
 * mailer would write to the erased address. Call `holdRelay` before, so that the relay does not publish meanwhile.
 *
 * @returns how many were deleted
 */
export async function eraseNotifications(
  tx: Queries,
  contacts: readonly string[],
  erased: Required<Names>,
): Promise<number> {
  // These words find candidates, whose bodies are then read.
  const words = wordsOf(erased);
  const rows = await tx.$queryRaw<{ seq: bigint; contact_id: string; body: string }[]>`
    SELECT seq, contact_id, body::text AS body FROM outbox
    WHERE contact_id = ANY (${contacts}::uuid[])
      OR EXISTS (SELECT FROM unnest(${words}::text[]) AS word WHERE strpos(lower(body::text COLLATE "C"), word) > 0)`;
  const isNamedIn = mentionsOf(erased);
  const seqs = rows
    .filter(({ contact_id, body }) => contacts.includes(contact_id) || isNamedIn(body))
    .map(({ seq }) => seq);
  await deleteFromOutbox(tx, seqs);
  return seqs.length + (await removeChanges(tx, contacts));
}
