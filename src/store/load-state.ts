import type { State } from '../contacts/decide';
import { Directory, type Ids } from '../contacts/directory';
import type { ContactEvent } from '../contacts/event';
import { Facts } from '../contacts/facts';
import { newsOf } from '../contacts/record';
import { accountFactsOf } from './account-rows';
import { addressFactsOf } from './address-rows';
import type { Queries } from './database';
import { findReach, type Reach } from './find-reach';
import { loadClaims } from './load-claims';
import { loadContacts, resolveTokens } from './load-contacts';
import { lockAccounts } from './lock-accounts';
import { lockAddresses } from './lock-addresses';

/** Between the look and the locks, somebody else widened what the events reach. Nothing was written: try again. */
export class ReachGrew extends Error {
  /** SQLSTATE of a serialisation failure: the same kind of chance. */
  readonly code = '40001';
}

/**
 * Locks and loads all that some events may touch, in a number of statements that does not depend on how many they are.
 * Newsletter events at addresses touch these alone: what their contacts hold besides is neither locked nor loaded.
 */
export async function loadState(tx: Queries, events: readonly ContactEvent[], ids: Ids): Promise<State> {
  const news = newsOf(events);
  const tokens = tokensOf(events);
  const wide = news.accounts.size > 0 || tokens.length > 0;
  const seeds = { addresses: wide ? claimed(events) : [], uids: [...news.accounts.keys()], tokens };
  const reach: Reach = wide ? await findReach(tx, seeds) : { addresses: [], uids: [] };

  const candidates = candidatesFor(events, ids);
  const addresses = await lockAddresses(
    tx,
    [...news.addresses.values()].map((facts) => ({ facts, contactId: candidates.get(facts.address) as string })),
    reach.addresses,
  );
  const accounts = await lockAccounts(
    tx,
    [...news.accounts.values()].map((facts) => ({ facts, contactId: candidates.get(facts.uid) as string })),
    reach.uids,
  );

  const facts = new Facts();
  for (const row of addresses.rows) facts.learnAddress(addressFactsOf(row));
  for (const row of accounts.rows) facts.learnAccount(accountFactsOf(row));
  const directory = new Directory(ids);
  const rows = {
    address: new Map(addresses.rows.map((row) => [row.address, row.contact_id])),
    account: new Map(accounts.rows.map((row) => [row.uid, row.contact_id])),
  };
  const places = [
    ...addresses.rows.map((row) => ({ kind: 'address' as const, key: row.address, contactId: row.contact_id })),
    ...accounts.rows.map((row) => ({ kind: 'account' as const, key: row.uid, contactId: row.contact_id })),
  ].filter(
    ({ kind, key, contactId }) => contactId !== null && !(kind === 'address' ? addresses : accounts).fresh.has(key),
  );

  if (wide) {
    // All claims on each of these addresses, and of each of these accounts: anything less would name wrong owners.
    const [within, whose] = [new Set(reach.addresses), new Set(rows.account.keys())];
    for (const claim of await loadClaims(tx, { addresses: [...within], uids: [...whose] })) {
      if (!within.has(claim.address) || !whose.has(claim.uid)) throw new ReachGrew();
      facts.learnClaim(claim);
    }
    const targets = tokens.length === 0 ? [] : await resolveTokens(tx, tokens);
    const contactIds = new Set(
      [...places, ...targets.map((t) => ({ contactId: t.contact_id }))].map(({ contactId }) => contactId),
    );
    for (const row of await loadContacts(tx, [...contactIds] as string[])) {
      directory.restore({ id: row.id, state: row.state, mergedInto: row.merged_into, version: row.version }, row.token);
    }
    for (const { token, contact_id } of targets) directory.knowToken(token, contact_id);
    const placed = new Set(places.map(({ contactId }) => contactId));
    for (const { contact_id } of targets) {
      if (directory.contacts.get(contact_id)?.state !== 'closed' && !placed.has(contact_id)) throw new ReachGrew();
    }
  } else {
    // An address hangs on a live contact, by constraint: nothing else of it matters to a newsletter event.
    for (const { contactId } of places) {
      directory.restore({ id: contactId as string, state: 'live', mergedInto: null, version: 0 }, null);
    }
  }
  for (const { kind, key, contactId } of places) directory.restorePlace(kind, key, contactId as string);
  return { facts, directory, rows, fresh: { address: addresses.fresh, account: accounts.fresh } };
}

const tokensOf = (events: readonly ContactEvent[]): string[] => [
  ...new Set(events.flatMap((event) => (event.kind === 'newsletter' && 'token' in event.to ? [event.to.token] : []))),
];

const claimed = (events: readonly ContactEvent[]): string[] =>
  events.flatMap((event) => (event.kind === 'claim' ? [event.address.key] : []));

/**
 * A contact id for each address and account, should it be new. An account that is first heard of with an address that
 * is first heard of shares its id, for they will share the contact: then neither row has to be written again.
 */
function candidatesFor(events: readonly ContactEvent[], ids: Ids): Map<string, string> {
  const candidates = new Map<string, string>();
  for (const event of events) {
    const address =
      event.kind === 'claim'
        ? event.address.key
        : event.kind === 'newsletter' && 'address' in event.to
          ? event.to.address.key
          : null;
    const shared = address !== null && !candidates.has(address) ? ids.contact() : undefined;
    if (address !== null && shared) candidates.set(address, shared);
    if (event.kind !== 'newsletter' && !candidates.has(event.uid)) candidates.set(event.uid, shared ?? ids.contact());
  }
  return candidates;
}
