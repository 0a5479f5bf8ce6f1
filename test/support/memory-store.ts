/**
 * The database in memory, for tests of the pure domain: keeps rows, builds the working set for `decide` (of everything:
 * no locks, no look-ups), and applies change sets as the SQL does.
 */

import type { ChangeSet, WorkingSet } from '../../src/contacts/change-recorder';
import { decide } from '../../src/contacts/decide';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { type AddressFacts, Facts } from '../../src/contacts/facts/facts';
import { insertableAddress } from '../../src/contacts/facts/record';
import { type Contact, ContactIndex, type ContactState } from '../../src/contacts/identity/contact-index';
import { peopleOf } from '../../src/contacts/identity/ownership';
import type { Command, UndoCommand } from '../../src/contacts/merge/command';
import type { MergePlan } from '../../src/contacts/merge/merge';
import type { TokenPolicy } from '../../src/contacts/merge/token-policy';
import type { UndoRefusal } from '../../src/contacts/merge/undo';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import { type Admission, findConflicts, type Known, planImport } from '../../src/operations/import/plan';
import type { ImportRecord } from '../../src/operations/import/record';

interface ContactRow {
  id: string;
  state: ContactState;
  mergedInto: string | null;
  version: number;
}

interface TokenRow {
  contactId: string;
  state: 'live' | 'retired';
  retiredBy: string | null;
}

export class MemoryStore {
  readonly facts = new Facts();
  readonly contacts = new Map<string, ContactRow>();
  readonly tokens = new Map<string, TokenRow>();
  readonly merges: MergePlan[] = [];
  /** Ids of undone merges. */
  readonly undone = new Set<string>();
  readonly addressRows = new Map<string, string>();
  readonly accountRows = new Map<string, string | null>();
  /** As the last batch left it. */
  contactIndex = new ContactIndex({ contact: () => this.#id('contact'), token: () => this.#id('token') });
  #serial = 0;
  readonly #policy: TokenPolicy;
  /** What this store has lost or invented; see `problems`. */
  readonly #losses: string[] = [];

  /** @param observes accounts whose claims are held, by their uid */
  constructor(policy: TokenPolicy = 'address', observes: (uid: string) => boolean = () => false) {
    this.#policy = policy;
    this.observes = observes;
  }
  observes: (uid: string) => boolean;

  #id(kind: string): string {
    this.#serial += 1;
    return `${kind}-${String(this.#serial).padStart(4, '0')}`;
  }

  apply(events: readonly (ContactEvent | Command)[]): ChangeSet {
    const state = this.#load(events);
    const { observes } = this;
    const changes = decide(state, events, { tokenPolicy: this.#policy, observes, mergeId: () => this.#id('merge') });
    if (changes.refusal) throw new Error('a refused undo leaves no usable state: look before with `undoOf`');
    const before = { contacts: new Map(this.contacts), tokens: new Map(this.tokens) };
    this.#save(changes);
    this.#compare(before, changes);
    this.contactIndex = state.contactIndex;
    return changes;
  }

  /** Imports records as one batch, then applies deletions of stored accounts as events. */
  import(records: readonly ImportRecord[]): (Admission | null)[] {
    const root = (id: string): string | null => {
      const contact = this.contacts.get(id);
      return contact?.state === 'live' ? id : (contact?.mergedInto ?? null);
    };
    const known: Known = {
      ids: new Map([...this.contacts.keys()].map((id) => [id, root(id)])),
      tokens: new Map([...this.tokens].map(([token, row]) => [token, root(row.contactId)])),
      addresses: new Map(this.addressRows),
    };
    const verdicts = findConflicts(records, known);
    const going = records.filter((_, i) => verdicts[i] === null);
    const named = going.flatMap(({ id, at, address, account }) => [
      { kind: 'address' as const, key: address.key, typed: address.typed, id, at },
      ...(account?.claims.map((claim) => ({ kind: 'address' as const, ...claim.address, id, at: claim.at })) ?? []),
      ...(account ? [{ kind: 'account' as const, key: account.uid, typed: '', id, at }] : []),
    ]);
    const fresh = { address: new Set<string>(), account: new Set<string>() };
    for (const { kind, key, typed, id, at } of named) {
      const rows = kind === 'address' ? this.addressRows : this.accountRows;
      if (rows.has(key)) continue;
      rows.set(key, id);
      fresh[kind].add(key);
      if (kind === 'address') this.facts.addAddress({ address: key, typed: { value: typed, at }, profile: {} });
    }
    for (const { account } of going) {
      if (!account || !fresh.account.has(account.uid)) continue;
      const { uid, deletedAt } = account;
      this.facts.addAccount({ uid, ...(deletedAt !== undefined && { deletedAt }) });
    }
    const state = this.#load([], fresh);
    const { changes, admissions, deletions } = planImport(state, going, known);
    const before = { contacts: new Map(this.contacts), tokens: new Map(this.tokens) };
    this.#save(changes);
    this.#compare(before, changes);
    this.contactIndex = state.contactIndex;
    if (deletions.length > 0) this.apply(deletions);
    const left = [...admissions];
    return verdicts.map((verdict) => verdict ?? (left.shift() as Admission));
  }

  /** Why an undo would be refused, or null. Changes nothing. */
  look(command: UndoCommand): UndoRefusal | null {
    const copy = new MemoryStore(this.#policy);
    copy.#restore(this);
    return decide(copy.#load([]), [command], {
      tokenPolicy: this.#policy,
      observes: this.observes,
      mergeId: () => 'never',
    }).refusal;
  }

  /** The same store after some contacts were deleted, with the facts and merges that are left. */
  after(deleted: ReadonlySet<string>, facts: Facts, merges: MergePlan[]): MemoryStore {
    const store = Object.assign(new MemoryStore(this.#policy, this.observes), { facts, merges });
    store.#serial = this.#serial;
    for (const [id, row] of this.contacts) if (!deleted.has(id)) store.contacts.set(id, row);
    for (const [id, row] of this.tokens) if (!deleted.has(row.contactId)) store.tokens.set(id, row);
    for (const id of this.undone) store.undone.add(id);
    for (const [address, id] of this.addressRows) if (facts.addresses.has(address)) store.addressRows.set(address, id);
    for (const uid of facts.accounts.keys()) {
      const id = this.accountRows.get(uid) ?? null;
      store.accountRows.set(uid, id !== null && deleted.has(id) ? null : id);
    }
    return store;
  }

  #restore(other: MemoryStore): void {
    for (const facts of other.facts.addresses.values()) this.facts.addAddress(facts);
    for (const facts of other.facts.accounts.values()) this.facts.addAccount(facts);
    for (const address of other.addressRows.keys())
      for (const claim of other.facts.claimsOn(address)) this.facts.addClaim(claim);
    for (const [id, row] of other.contacts) this.contacts.set(id, { ...row });
    for (const [id, row] of other.tokens) this.tokens.set(id, { ...row });
    for (const [address, id] of other.addressRows) this.addressRows.set(address, id);
    for (const [uid, id] of other.accountRows) this.accountRows.set(uid, id);
  }

  /** The command that undoes a merge, with what the database has to look up for it. */
  undoOf(plan: MergePlan, at: number): UndoCommand {
    const later = this.merges.slice(this.merges.indexOf(plan) + 1).filter(({ id }) => !this.undone.has(id));
    const into = (id: string): string[] =>
      this.merges
        .filter((merge) => merge.survivorId === id && merge !== plan && !this.undone.has(merge.id))
        .flatMap(({ retiredId }) => [retiredId, ...into(retiredId)]);
    return {
      kind: 'undo',
      at,
      merge: plan,
      superseded: later.some(({ survivorId, retiredId }) => [survivorId, retiredId].includes(plan.survivorId)),
      followers: into(plan.retiredId),
    };
  }

  #load(
    steps: readonly (ContactEvent | Command)[],
    fresh = { address: new Set<string>(), account: new Set<string>() },
  ): WorkingSet {
    for (const event of steps) {
      if (event.kind === 'undo' || event.kind === 'release' || event.kind === 'unblock') continue;
      const address = insertableAddress(event);
      if (address && !this.addressRows.has(address.key)) {
        this.addressRows.set(address.key, this.#id('contact'));
        fresh.address.add(address.key);
        this.facts.addAddress({ address: address.key, typed: { value: address.typed, at: event.at }, profile: {} });
      }
      if (event.kind !== 'newsletter' && !this.accountRows.has(event.uid)) {
        this.accountRows.set(event.uid, this.#id('contact'));
        fresh.account.add(event.uid);
        this.facts.addAccount({ uid: event.uid });
      }
    }
    const contactIndex = new ContactIndex({
      contact: () => this.#id('contact'),
      token: () => this.#id('token'),
    });
    const live = new Map(
      [...this.tokens].filter(([, row]) => row.state === 'live').map(([id, row]) => [row.contactId, id]),
    );
    for (const row of this.contacts.values()) {
      contactIndex.restore(row.id, row.state, row.mergedInto, row.version, live.get(row.id) ?? null);
    }
    for (const [id, row] of this.tokens) if (row.state === 'retired') contactIndex.knowToken(id, row.contactId);
    for (const [address, id] of this.addressRows)
      if (!fresh.address.has(address)) contactIndex.link('address', address, id);
    for (const [uid, id] of this.accountRows) if (id && !fresh.account.has(uid)) contactIndex.link('account', uid, id);
    return {
      facts: this.facts,
      contactIndex,
      rows: { address: new Map(this.addressRows), account: new Map(this.accountRows) },
      fresh,
      continuing: new Set(),
    };
  }

  #save(changes: ChangeSet): void {
    for (const { facts, contactId } of changes.addresses)
      this.addressRows.set((facts as AddressFacts).address, contactId);
    for (const { uid, contactId } of changes.accounts) this.accountRows.set(uid, contactId);
    for (const choice of changes.choices) this.facts.addChoice(choice);
    const row = ({ id, state, mergedInto, version }: Contact): ContactRow => ({
      id,
      state,
      mergedInto,
      version: version + 1,
    });
    for (const contact of [...changes.contacts.created, ...changes.contacts.changed])
      this.contacts.set(contact.id, row(contact));
    for (const { id, contactId, mergeId } of changes.tokens.retired) {
      this.tokens.set(id, { contactId, state: 'retired', retiredBy: mergeId });
    }
    const { issued, moved, revived } = changes.tokens;
    for (const { id, contactId } of [...issued, ...moved, ...revived]) {
      this.tokens.set(id, { contactId, state: 'live', retiredBy: null });
    }
    this.merges.push(...changes.merges);
    for (const { merge } of changes.undone) this.undone.add(merge.id);
  }

  /** Committed contacts stay known; each merged contact is in the ledger once, and announced if it was known. */
  #compare(
    before: { contacts: Map<string, ContactRow>; tokens: Map<string, TokenRow> },
    { merges, undone }: ChangeSet,
  ): void {
    const back = new Set(undone.flatMap(({ merge }) => [merge.retiredId, merge.tokenRetired]));
    for (const [id, token] of before.tokens) {
      const after = this.tokens.get(id);
      if (!after) this.#losses.push(`token ${id} vanished`);
      else if (token.state === 'retired' && after.state === 'live' && !back.has(id))
        this.#losses.push(`token ${id} came back`);
    }
    for (const [id, { state }] of before.contacts) {
      const after = this.contacts.get(id);
      if (!after) this.#losses.push(`contact ${id} vanished`);
      else if (state !== 'live' && after.state === 'live' && !back.has(id))
        this.#losses.push(`contact ${id} came back`);
      const told = merges.filter((merge) => merge.retiredId === id).length;
      const ended = state === 'live' && after?.state === 'merged';
      if (told !== (ended ? 1 : 0)) this.#losses.push(`contact ${id} is ${after?.state}, ${told} times in the ledger`);
    }
    for (const { retiredId, survivorId, announced } of merges) {
      if (announced && !before.contacts.has(retiredId)) this.#losses.push(`${retiredId} was never seen, but told of`);
      for (const id of [retiredId, survivorId]) if (!this.contacts.has(id)) this.#losses.push(`the ledger names ${id}`);
    }
  }

  export(): string[] {
    return canonicalExport(this.facts);
  }

  liveToken(contactId: string): string | undefined {
    return [...this.tokens].find(([, row]) => row.contactId === contactId && row.state === 'live')?.[0];
  }

  /** Violated invariants of the stored contacts; empty if there are none. */
  problems(): string[] {
    const problems = [...this.#losses];
    const live = [...this.contacts.values()].filter((contact) => contact.state === 'live');
    const stored = live.map(({ id }) => {
      const addresses = [...this.addressRows].filter(([, contactId]) => contactId === id).map(([address]) => address);
      const uids = [...this.accountRows].filter(([, contactId]) => contactId === id).map(([uid]) => uid);
      if (uids.length > 1) problems.push(`${id} has accounts ${uids}`);
      return `${addresses.sort()} ${uids[0] ?? null}`;
    });
    const wanted = peopleOf(this.facts).map(({ uid, addresses }) => `${addresses} ${uid}`);
    if (String(stored.sort()) !== String(wanted.sort()))
      problems.push(`stored ${stored.join('; ')} but claims say ${wanted.join('; ')}`);
    for (const [address, id] of this.addressRows) {
      if (this.contacts.get(id)?.state !== 'live') problems.push(`${address} is on ${id}, which is not live`);
    }
    for (const { id } of live) {
      const tokens = [...this.tokens.values()].filter((row) => row.contactId === id && row.state === 'live');
      if (tokens.length !== 1) problems.push(`${id} has ${tokens.length} live tokens`);
    }
    for (const contact of this.contacts.values()) {
      if ((contact.state === 'merged') !== (contact.mergedInto !== null))
        problems.push(`${contact.id}: ${contact.state}`);
      if (contact.mergedInto && this.contacts.get(contact.mergedInto)?.state === 'merged')
        problems.push(`${contact.id}: chain`);
    }
    for (const [id, row] of this.tokens) {
      if (row.state === 'live' && this.contacts.get(row.contactId)?.state !== 'live')
        problems.push(`${id} lives on a dead contact`);
    }
    return problems;
  }
}

/** The facts of some events, in any order. */
export function factsOf(events: readonly ContactEvent[]): Facts {
  const store = new MemoryStore();
  store.apply(events);
  return store.facts;
}
