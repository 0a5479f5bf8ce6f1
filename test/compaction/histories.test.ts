/**
 * Compaction changes no view, on generated histories: neither now nor after any later events. Many histories share one
 * database, so that one purge covers them all; later events are tried on their facts in memory.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { purge } from '../../src/compaction/run';
import type { ContactEvent } from '../../src/contacts/facts/event';
import type { Facts } from '../../src/contacts/facts/facts';
import { connectedComponent } from '../../src/contacts/identity/connected-component';
import { inheritedSince, ownerOf, peopleOf } from '../../src/contacts/identity/ownership';
import type { StoredMerge } from '../../src/contacts/merge/merge';
import { type ContactView, contactView } from '../../src/contacts/profile/contact-view';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { addEvent } from '../../tools/add-event';
import { type AllFacts, allFactsOf, factsFrom, someOf } from '../support/all-facts';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, del, signup } from '../support/events';
import { contactEvent, historyOf, renamed } from '../support/histories';
import { ledgerOf, undoOf } from '../support/ledger';
import { brokenPromises, DEFAULTS } from '../support/stored';

const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
const histories = Number(process.env.STORED_HISTORIES ?? 50);
/** Tried for each history. */
const FUTURES = 15;
/** Most events have times up to 12. */
const BEFORE = at(13);

/** What may follow a purge: an event later than everything purged, or an operator's decision. */
type Later =
  | { kind: 'event'; event: ContactEvent; held: boolean }
  | { kind: 'undo' | 'release' | 'unblock'; which: number };

const shifted = <E extends ContactEvent>(event: E): E => ({ ...event, at: event.at + 12_000 });
const later: fc.Arbitrary<Later> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('event' as const), event: contactEvent.map(shifted), held: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('undo' as const, 'release', 'unblock'), which: fc.nat(20) }),
  },
);
/** An account with many logins, whose claims are compacted. */
const claims = fc
  .tuple(
    fc.constantFrom('u1', 'u2', 'u3'),
    fc.constantFrom('a', 'b'),
    fc.uniqueArray(fc.integer({ min: 1, max: 15 }), { maxLength: 5 }),
  )
  .map(([u, a, times]) => times.map((t) => acct(u, a, t)));
/** Part of it is not old enough to be purged. */
const known = fc.oneof({ weight: 5, arbitrary: contactEvent }, { weight: 1, arbitrary: contactEvent.map(shifted) });
const past = fc.tuple(
  fc.tuple(fc.array(known, { minLength: 1, maxLength: 16 }), claims).map((parts) => parts.flat()),
  fc.tuple(fc.array(known, { maxLength: 12 }), claims, claims).map((parts) => parts.flat()),
);

/** Something of each kind to purge, because random histories may lack some. */
const EACH_KIND: [ContactEvent[], ContactEvent[]] = [
  [
    ...[acct('u1', 'a', 1, { locale: 'de' }), acct('u1', 'a', 2), acct('u1', 'a', 3), acct('u2', 'c', 1)],
    ...[1, 2, 3].map((t) => signup('b', ['n1'], t)),
  ],
  [acct('u1', 'b', 4), del('u1', 6), del('u2', 6)],
];

describe(`purge on ${histories} generated histories (SEED=${seed})`, () => {
  let database: TestDatabase;
  let before: AllFacts;
  let after: AllFacts;
  let ledger: StoredMerge[];
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database?.drop());

  /** In every other history, some accounts are only observed. */
  const observes = (uid: string): boolean => historyOf(uid) % 2 === 1 && /^.{6}[23]/.test(uid);
  const apply = (steps: ContactEvent[]) => applyBatch(database.db, steps, { ...DEFAULTS, observes });

  it('removes something of each kind, and nothing when it runs again', async () => {
    const made = [EACH_KIND, ...fc.sample(past, { numRuns: histories - 1, seed })];
    // In batches of a few events of every history: contacts created and merged in one batch leave no merge to undo.
    const applyHalf = async (nr: 0 | 1): Promise<void> => {
      for (let from = 0; from < 24; from += 4) {
        await apply(made.flatMap((halves, i) => halves[nr].slice(from, from + 4).map((event) => renamed(event, i))));
      }
    };
    await applyHalf(0);
    await undoSome();
    await applyHalf(1);
    for (const { address, uid } of heldIn(await allFactsOf(database.db))) {
      if (historyOf(uid) % 4 === 1) await applyBatch(database.db, [{ kind: 'release', uid, address }], DEFAULTS);
    }
    expect(await brokenPromises(database)).toEqual([]);
    before = await allFactsOf(database.db);
    ledger = (await ledgerOf(database.db)).filter(({ undoneAt }) => undoneAt === null);
    const dry = await purge(database.db, { before: BEFORE, dryRun: true, pageSize: 7 });
    expect(await allFactsOf(database.db)).toEqual(before);
    const purged = await purge(database.db, { before: BEFORE, pageSize: 40 });
    expect(dry).toEqual(purged);
    const { audit, ...rest } = purged;
    expect(audit).toBe(0);
    for (const rows of Object.values(rest)) expect(rows).toBeGreaterThan(0);
    expect(Object.values(await purge(database.db, { before: BEFORE }))).toEqual(Object.values(purged).map(() => 0));
    after = await allFactsOf(database.db);
    expect(await brokenPromises(database)).toEqual([]);
  }, 120_000);

  it('changes no view, whatever events follow', () => {
    const kept = new Set(after.addresses.map(({ address }) => address));
    const dropped = new Set(before.addresses.flatMap(({ address }) => (kept.has(address) ? [] : address)));
    for (let i = 0; i < histories; i++) {
      const mine = (key: string): boolean => historyOf(key) === i;
      const [whole, purged] = [someOf(before, mine), someOf(after, mine)];
      const merges = ledger.filter(({ uid }) => mine(uid));
      const components = droppedComponentsOf(whole, dropped);
      fc.assert(
        fc.property(fc.array(later, { maxLength: 12 }), (future) => {
          const steps = future.map((step) =>
            step.kind === 'event' ? { ...step, event: renamed(step.event, i) } : step,
          );
          const touched = touchedBy(steps);
          // Two dropped addresses of one account are no longer connected: later they belong to two readers.
          fc.pre(components.every((addresses) => addresses.filter((address) => touched.has(address)).length <= 1));
          const [facts, remaining] = [factsFrom(whole), factsFrom(purged)];
          expect(viewsOf(remaining, dropped)).toEqual(viewsOf(facts, dropped));
          for (const step of steps) learn(step, facts, remaining, merges);
          expect(viewsOf(remaining, dropped, touched, withoutStart)).toEqual(
            viewsOf(facts, dropped, touched, withoutStart),
          );
        }),
        { numRuns: FUTURES, seed: seed + i },
      );
    }
  }, 600_000);

  /** Undoes the last merge that can be undone, in two of three histories. */
  async function undoSome(): Promise<void> {
    const done = new Set<number>();
    for (const merge of (await ledgerOf(database.db)).reverse()) {
      const history = historyOf(merge.uid);
      if (history % 3 === 0 || done.has(history)) continue;
      const { refusal } = await applyBatch(database.db, [undoOf(merge, at(12))], DEFAULTS);
      if (!refusal) done.add(history);
    }
  }
});

const heldIn = ({ claims }: AllFacts) => claims.filter(({ status }) => status === 'held');

function touchedBy(steps: readonly Later[]): Set<string> {
  return new Set(
    steps.flatMap((step) => {
      if (step.kind !== 'event' || step.event.kind === 'deletion') return [];
      return step.event.kind === 'claim'
        ? step.event.address.key
        : (step.event.to as { address: { key: string } }).address.key;
    }),
  );
}

/** The addresses of each dropped component. */
function droppedComponentsOf(all: AllFacts, dropped: ReadonlySet<string>): string[][] {
  const facts = factsFrom(all);
  return all.addresses
    .filter(({ address }) => dropped.has(address))
    .map(({ address }) => connectedComponent(facts, { addresses: [address], uids: [] }).addresses);
}

function learn(step: Later, whole: Facts, purged: Facts, merges: readonly StoredMerge[]): void {
  if (step.kind === 'event') {
    for (const facts of [whole, purged]) addEvent(facts, step.event, step.held ? 'held' : 'active');
    return;
  }
  if (step.kind === 'undo') {
    const merge = merges[step.which % merges.length];
    // Refused: the contacts are closed.
    if (!merge || merge.addresses.some((address) => !purged.addresses.has(address))) return;
    if (undoes(whole, merge)) undoes(purged, merge);
    return;
  }
  const status = step.kind === 'release' ? 'held' : 'blocked';
  const waiting = [...whole.accounts.keys()]
    .flatMap((uid) => whole.claimsBy(uid))
    .filter((claim) => claim.status === status)
    .sort((a, b) => a.at - b.at || (a.address < b.address ? -1 : 1));
  const claim = waiting[step.which % waiting.length];
  if (!claim) return;
  for (const facts of [whole, purged]) {
    if (step.kind === 'unblock') facts.removeBlock(claim.uid, claim.address);
    else facts.setClaimStatus(claim.uid, claim.address, 'active', (known) => known.status === 'held');
  }
}

/** Like `undo`, on facts alone: refused if a side would be left with nothing. */
function undoes(facts: Facts, { id, uid, claimant, addresses, at: from }: StoredMerge): boolean {
  if ([...facts.undone].some(({ mergeId }) => mergeId === id)) return false;
  if (addresses.some((address) => ownerOf(facts, address) !== uid)) return false;
  const blocks = addresses.map((address) => ({ uid, address, since: inheritedSince(facts, address, claimant, uid) }));
  // A blocked claim that was held would become active when it is unblocked.
  const statusChanges = addresses.flatMap((address) =>
    facts.claimsOn(address).map((claim) => [claim, claim.status] as const),
  );
  for (const block of blocks) facts.addBlock(block);
  const owners = new Set(addresses.map((address) => ownerOf(facts, address)));
  const [owner] = owners;
  if (owners.size !== 1 || (owner !== null && owner !== claimant) || (owner === null && addresses.length > 1)) {
    for (const block of blocks) facts.removeBlock(block.uid, block.address);
    for (const [claim, status] of statusChanges) {
      facts.setClaimStatus(claim.uid, claim.address, status, (other) => other === claim);
    }
    return false;
  }
  facts.addUndone({ mergeId: id, uid, claimant, addresses, from, until: at(26) });
  return true;
}

/**
 * All contact views, times included. A dropped address that no later event names has none; one that is named again has
 * a new view, without the confirmation by a deleted account.
 */
function viewsOf(
  facts: Facts,
  dropped: ReadonlySet<string>,
  touched: ReadonlySet<string> = new Set(),
  shown = (view: ContactView): ContactView => view,
): string[] {
  return peopleOf(facts)
    .map((person) => contactView(facts, person))
    .flatMap((view) => {
      const addresses = view.addresses.filter((address) => !dropped.has(address) || touched.has(address));
      if (addresses.length === 0 && view.account === null) return [];
      const renewed = view.account === null && addresses.some((address) => dropped.has(address));
      return text({
        ...shown(view),
        addresses,
        // What only a deleted account had proved is forgotten with its address.
        ...(renewed && {
          primary: addresses[0] as string,
          emails: addresses.map((address, i) => ({ address, primary: i === 0, verified: false })),
          doubleOptIn: false,
        }),
      });
    })
    .sort();
}

/** A later merge with a contact that had refused between two sign-ups can show a later start. */
const withoutStart = (view: ContactView): ContactView => ({
  ...view,
  newsletters: new Map(
    [...view.newsletters].map(([name, it]) => [name, it.state === 'subscribed' ? { ...it, since: 0 } : it]),
  ),
});

const text = (view: ContactView): string => JSON.stringify({ ...view, newsletters: [...view.newsletters] });
