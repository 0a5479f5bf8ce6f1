/**
 * decide: (state, events) -> changes. No clock, no randomness, no I/O but what is passed in.
 *
 * The events are taken one after the other, as if each came alone; what they change is told once, at the end.
 */
import { ChangeRecorder, type ChangeSet, type WorkingSet } from './change-recorder';
import type { ClaimEvent, ContactEvent, NewsletterEvent, Time } from './facts/event';
import type { Claim, Facts } from './facts/facts';
import { accountFacts, addressFacts, choicesOf, claimOf } from './facts/record';
import { periodsOf, primaryOf } from './identity/ownership';
import { type Cause, PrimaryAddressTracker } from './identity/primary-address-tracker';
import type { Command } from './merge/command';
import {
  type ReconcileContext,
  reconcileClaim,
  reconcileDeletion,
  reconcileNewAddress,
  takesAddress,
} from './merge/reconcile';
import type { TokenPolicy } from './merge/token-policy';
import { undo } from './merge/undo';

export interface Options {
  tokenPolicy: TokenPolicy;
  /** Of this account, claims that would take an address from a contact wait for a decision (observe mode). */
  observes(uid: string): boolean;
  mergeId(): string;
}

export function decide(
  state: WorkingSet,
  steps: readonly (ContactEvent | Command)[],
  { tokenPolicy, observes, mergeId }: Options,
): ChangeSet {
  const { facts, contactIndex, rows, fresh } = state;
  const recorder = new ChangeRecorder(state);
  const candidate: ReconcileContext['candidate'] = (kind, key) => {
    const id = fresh[kind].has(key) ? rows[kind].get(key) : undefined;
    return id && !contactIndex.contacts.has(id) ? id : undefined;
  };
  const world: ReconcileContext = { facts, contactIndex, merges: recorder.merges, tokenPolicy, mergeId, candidate };
  // Newsletter events move nothing.
  const watch = steps.some(({ kind }) => kind !== 'newsletter') ? new PrimaryAddressTracker(facts, contactIndex) : null;

  for (const [index, step] of steps.entries()) {
    switch (step.kind) {
      case 'claim':
        takeClaim(step);
        look(step.uid, step);
        break;
      case 'deletion':
        if (recorder.addAccount({ uid: step.uid, deletedAt: step.at })) reconcileDeletion(world, step);
        look(step.uid, step);
        break;
      case 'newsletter':
        if (!takeNewsletter(step)) recorder.unknownTokens.push(index);
        break;
      case 'release':
        recount(facts.setClaimStatus(step.uid, step.address, 'active', ({ status }) => status === 'held'));
        break;
      case 'unblock':
        recorder.unblocked.push(step);
        recount(facts.removeBlock(step.uid, step.address));
        break;
      case 'undo': {
        const undone = undo(world, step);
        if (typeof undone === 'string') {
          recorder.refusal = undone;
          break;
        }
        recorder.undone.push(undone);
        recorder.recordStatusChanges(undone.claims);
        look(step.merge.uid, null);
        break;
      }
    }
  }
  return recorder.changes({ emailChanges: watch?.emailChanges() ?? [], reviews: watch?.reviews() ?? [] });

  function takeClaim(event: ClaimEvent): void {
    const { uid, trigger, at } = event;
    const address = event.address.key;
    recorder.addAddress(addressFacts(event.address, at));
    recorder.addAccount(accountFacts(event));
    const incoming = facts.addClaim(claimOf(event));
    const claim = facts.claim({ address, uid, at }) as Claim;
    if (incoming && observes(uid) && takesAddress(world, claim)) {
      facts.setClaimStatus(uid, address, 'held', (known) => known === claim);
    }
    if (claim.status !== 'active') recorder.inactiveClaims[claim.status] += 1;
    reconcileClaim(world, { uid, address, trigger, at });
    if (incoming) recorder.recordClaim(claim);
    recorder.addChoices(choicesOf(event));
  }

  /** Claims of one account on one address that count from now on: as if the last of them had just come. */
  function recount(claims: readonly Claim[]): void {
    const last = claims.reduce<Claim | null>((a, b) => (a && a.at > b.at ? a : b), null);
    if (!last) return;
    const { uid, address, at } = last;
    const trigger = { source: 'fxa' as const, event: last.event, id: last.eventId };
    reconcileClaim(world, { uid, address, trigger, at });
    recorder.recordStatusChanges(claims);
    look(uid, { trigger, at });
  }

  function takeNewsletter(event: NewsletterEvent): boolean {
    if ('address' in event.to) {
      const { address } = event.to;
      reconcileNewAddress(world, address.key);
      recorder.addAddress(addressFacts(address, event.at, event.profile));
      recorder.addChoices(choicesOf(event, { kind: 'address', key: address.key }));
      return true;
    }
    const contact = contactIndex.ofToken(event.to.token);
    if (!contact) return false;
    const uid = contactIndex.accountOf(contact);
    const address = uid === null ? contactIndex.addressesOf(contact)[0] : (primaryOf(facts, uid) ?? undefined);
    const typed = address === undefined ? undefined : facts.addresses.get(address)?.typed.value;
    // A profile is kept at an address: the one that the reader has, if it was theirs at the time.
    if (address !== undefined && typed !== undefined && (uid === null || ownedThen(facts, address, uid, event.at))) {
      recorder.addAddress(addressFacts({ key: address, typed }, Number.NEGATIVE_INFINITY, event.profile, event.at));
    }
    const live = uid !== null && facts.deletedAt(uid) === undefined;
    recorder.addChoices(
      choicesOf(event, live ? { kind: 'account', key: uid } : { kind: 'address', key: address as string }),
    );
    return true;
  }

  function look(uid: string, cause: Cause): void {
    watch?.track(
      [contactIndex.ofAccount(uid), ...contactIndex.moved],
      cause && { trigger: cause.trigger, at: cause.at },
    );
    contactIndex.moved.clear();
  }
}

const ownedThen = (facts: Facts, address: string, uid: string, at: Time): boolean =>
  periodsOf(facts, address).some((period) => period.owner === uid && period.from < at && at <= period.until);
