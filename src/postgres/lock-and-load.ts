import type { WorkingSet } from '../contacts/change-recorder';
import type { ContactEvent } from '../contacts/facts/event';
import { incomingFacts, namedAddress } from '../contacts/facts/record';
import type { ConnectedComponent } from '../contacts/identity/connected-component';
import type { Ids } from '../contacts/identity/contact-index';
import type { Command, ReleaseCommand, UnblockCommand, UndoRequest } from '../contacts/merge/command';
import type { Queries } from './database';
import { findConnectedComponent, StaleReadError } from './find-component';
import { lockRows } from './lock-state';
import { loadBlocks } from './tables/load-blocks';
import { loadClaims } from './tables/load-claims';
import { loadContacts, resolveTokens } from './tables/load-contacts';
import { loadUndo } from './tables/load-undo';

/** What an event says, or what a person decides. */
export type Step = ContactEvent | ReleaseCommand | UnblockCommand | UndoRequest;

export interface LoadedWorkingSet extends WorkingSet {
  /** Those that were given, with what an undo has to know of the ledger. */
  steps: (ContactEvent | Command)[];
  /** A merge is to be undone that was undone before. */
  alreadyUndone: boolean;
}

/**
 * Locks and loads all that some events or commands may touch, in a number of statements that does not depend on how many
 * they are (but for undos: one each). Newsletter events at addresses touch these alone: what their contacts hold besides
 * is neither locked nor loaded.
 */
export async function lockAndLoad(tx: Queries, steps: readonly Step[], ids: Ids): Promise<LoadedWorkingSet> {
  const events = steps.filter(isEvent);
  const commands = steps.filter((step) => !isEvent(step));
  const incoming = incomingFacts(events);
  const tokens = [...new Set(events.flatMap((event) => tokenOf(event) ?? []))];
  const named = namedBy(commands);
  const claimed = events.flatMap((event) => (event.kind === 'claim' ? event.address.key : []));
  const wide = incoming.accounts.size > 0 || tokens.length > 0 || commands.length > 0;
  const reach = wide
    ? await findConnectedComponent(tx, {
        addresses: [...claimed, ...named.addresses],
        uids: [...incoming.accounts.keys(), ...named.uids],
        tokens,
      })
    : { addresses: [], uids: [] };

  const state = await lockRows(tx, incoming, reach, candidatesFor(events, ids), ids);
  // A row that was there is there no more: its person was erased in the meantime.
  if ([...incoming.addresses.keys()].some((address) => !state.rows.address.has(address))) throw new StaleReadError();
  if ([...incoming.accounts.keys()].some((uid) => !state.rows.account.has(uid))) throw new StaleReadError();
  const { contacts, ...completed } = await completeUndos(tx, steps);
  if (wide) await loadClaimsAndContacts(tx, state, reach, { tokens, contacts });
  // An address hangs on a live contact, by constraint: nothing else of it matters to a newsletter event.
  else for (const { contactId } of placesIn(state)) state.contactIndex.restore(contactId, 'live', null, 0, null);
  for (const { kind, key, contactId } of placesIn(state)) state.contactIndex.link(kind, key, contactId);
  return { ...state, ...completed };
}

/** All claims that decide of what is locked, and the contacts. */
export async function loadClaimsAndContacts(
  tx: Queries,
  state: WorkingSet,
  reach: ConnectedComponent,
  { tokens, contacts: named }: { tokens: readonly string[]; contacts: readonly string[] },
): Promise<void> {
  const { facts, contactIndex, rows } = state;
  // All claims on each of these addresses, and of each of these accounts: anything less would name wrong owners.
  const [within, whose] = [new Set(reach.addresses), new Set(rows.account.keys())];
  const blocked = new Set<string>(); // a block has claims that it keeps from counting
  for (const claim of await loadClaims(tx, { addresses: [...within], uids: [...whose] })) {
    if (!within.has(claim.address) || !whose.has(claim.uid)) throw new StaleReadError();
    facts.addClaim(claim);
    if (claim.status === 'blocked') blocked.add(claim.uid);
  }
  if (blocked.size > 0) for (const block of await loadBlocks(tx, [...blocked])) facts.addBlock(block);
  const targets = tokens.length === 0 ? [] : await resolveTokens(tx, tokens);
  const locked = new Set(placesIn(state).map(({ contactId }) => contactId));
  const others = targets.map((target) => target.contact_id);
  const contacts = await loadContacts(tx, [...new Set([...locked, ...others, ...named])]);
  for (const { id, state, merged_into, version, token } of contacts) {
    contactIndex.restore(id, state, merged_into, version, token);
  }
  for (const { token, contact_id } of targets) {
    if (contactIndex.contacts.get(contact_id)?.state !== 'closed' && !locked.has(contact_id))
      throw new StaleReadError();
    contactIndex.knowToken(token, contact_id);
  }
}

interface Place {
  kind: 'address' | 'account';
  key: string;
  contactId: string;
}

/** Which contact each address and account hangs on; those that are new hang on none yet. */
export function placesIn({ rows, fresh }: WorkingSet): Place[] {
  return (['address', 'account'] as const).flatMap((kind) =>
    [...rows[kind]].flatMap(([key, contactId]) =>
      contactId === null || fresh[kind].has(key) ? [] : { kind, key, contactId },
    ),
  );
}

export const isEvent = (step: Step): step is ContactEvent =>
  step.kind === 'claim' || step.kind === 'deletion' || step.kind === 'newsletter';

/** Whom commands name: all of it is known already. */
function namedBy(commands: readonly Exclude<Step, ContactEvent>[]): ConnectedComponent {
  const named: ConnectedComponent = { addresses: [], uids: [] };
  for (const command of commands) {
    if (command.kind === 'undo') {
      const { addresses, uid, claimant } = command.merge;
      named.addresses.push(...addresses);
      named.uids.push(uid, ...(claimant === null ? [] : [claimant]));
    } else {
      named.addresses.push(command.address);
      named.uids.push(command.uid);
    }
  }
  return named;
}

/** Once the locks are held: what an undo has to know of the ledger, and the contacts that it is about. */
async function completeUndos(
  tx: Queries,
  steps: readonly Step[],
): Promise<Pick<LoadedWorkingSet, 'steps' | 'alreadyUndone'> & { contacts: string[] }> {
  const completed = { steps: [] as LoadedWorkingSet['steps'], alreadyUndone: false, contacts: [] as string[] };
  for (const step of steps) {
    if (step.kind !== 'undo') {
      completed.steps.push(step);
      continue;
    }
    const { undone, superseded, followers } = await loadUndo(tx, step.merge.id);
    completed.steps.push({ ...step, superseded: superseded || undone, followers });
    completed.contacts.push(step.merge.survivorId, step.merge.retiredId, ...followers);
    completed.alreadyUndone ||= undone;
  }
  return completed;
}

const tokenOf = (event: ContactEvent): string | undefined =>
  event.kind === 'newsletter' && 'token' in event.to ? event.to.token : undefined;

/**
 * A contact id for each address and account, should it be new. An account that is first heard of with an address that
 * is first heard of shares its id, for they will share the contact: then neither row has to be written again.
 */
function candidatesFor(events: readonly ContactEvent[], ids: Ids): Map<string, string> {
  const candidates = new Map<string, string>();
  for (const event of events) {
    const address = namedAddress(event)?.key;
    const id = address !== undefined && !candidates.has(address) ? ids.contact() : undefined;
    if (address !== undefined && id) candidates.set(address, id);
    if (event.kind !== 'newsletter' && !candidates.has(event.uid)) candidates.set(event.uid, id ?? ids.contact());
  }
  return candidates;
}
