/**
 * decide: (state, steps) -> changes. No clock, no randomness, no I/O except what is passed in.
 *
 * The steps are decided one after the other, as if each arrived alone. The changes are those of the whole batch.
 */
import { ChangeRecorder, type ChangeSet, type WorkingSet } from './change-recorder';
import type { Address, ClaimEvent, ContactEvent, DeletionEvent, NewsletterEvent } from './facts/event';
import { type Choice, type Claim, isRefusalAct, type Origin } from './facts/facts';
import { greatest } from './facts/order';
import {
  accountChoices,
  accountFacts,
  addressFacts,
  claimOf,
  newsletterChoices,
  refusalsByToken,
  subscriptionsOf,
} from './facts/record';
import { affectedAccounts } from './identity/affected-accounts';
import {
  addressesClaimedBy,
  isLive,
  type OwnershipPeriod,
  ownerWithout,
  periodsOf,
  primaryOf,
} from './identity/ownership';
import { type Cause, PrimaryAddressTracker } from './identity/primary-address-tracker';
import type { Command } from './merge/command';
import { reconcileClaim, reconcileDeletion, reconcileNewAddress, takesAddress } from './merge/reconcile';
import type { TokenPolicy } from './merge/token-policy';
import { undo } from './merge/undo';
import { belongsTo, mailboxesOf } from './profile/attribution';

export interface Options {
  tokenPolicy: TokenPolicy;
  /** Whether the account's claims that would take an address from a contact are held (observe mode). */
  observes(uid: string): boolean;
  mergeId(): string;
  /** Whether to note the sign-ups that their readers may have to confirm. */
  notesSignUps?: boolean | undefined;
}

export function decide(
  state: WorkingSet,
  steps: readonly (ContactEvent | Command)[],
  { tokenPolicy, observes, mergeId, notesSignUps = false }: Options,
): ChangeSet {
  const { facts, contactIndex } = state;
  const recorder = new ChangeRecorder(state);
  const context = recorder.reconcileContext({ tokenPolicy, mergeId });
  // Newsletter events never move an address.
  const tracker = steps.some(({ kind }) => kind !== 'newsletter')
    ? new PrimaryAddressTracker(facts, contactIndex)
    : null;

  for (const [index, step] of steps.entries()) {
    switch (step.kind) {
      case 'claim':
        if (state.continuing.has(step)) {
          addFactsBeside(step);
          recorder.continuing.push(claimOf(step));
          break;
        }
        expect(step);
        addFactsBeside(step);
        addClaim(step);
        track(step.uid, step);
        break;
      case 'deletion':
        expectDeletion(step);
        addDeletion(step);
        track(step.uid, step);
        break;
      case 'newsletter':
        if (isMissing(step.to)) recorder.notStored.push(index);
        else if (!addNewsletterEvent(step)) recorder.unknownTokens.push(index);
        break;
      case 'release':
        expect(step);
        reconcileActivated(facts.setClaimStatus(step.uid, step.address, 'active', ({ status }) => status === 'held'));
        break;
      case 'unblock':
        expect(step);
        recorder.unblocked.push(step);
        reconcileActivated(facts.removeBlock(step.uid, step.address));
        break;
      case 'undo': {
        const { survivorId, retiredId } = step.merge;
        tracker?.expect([survivorId, retiredId].map((id) => contactIndex.contacts.get(id) ?? null));
        const undone = undo(context, step);
        if (typeof undone === 'string') {
          recorder.refusal = undone;
          break;
        }
        recorder.undone.push(undone);
        recorder.recordStatusChanges(undone.claims);
        track(step.merge.uid, null);
        break;
      }
    }
  }
  return recorder.changes({ emailChanges: tracker?.emailChanges() ?? [], reviews: tracker?.reviews() ?? [] });

  function addClaim(event: ClaimEvent): void {
    const { uid, trigger, at } = event;
    const address = event.address.key;
    const before = ownershipOf(uid, address);
    const isNew = facts.addClaim(claimOf(event));
    const claim = facts.claim({ address, uid, at }) as Claim;
    if (isNew && observes(uid) && takesAddress(context, claim)) {
      facts.setClaimStatus(uid, address, 'held', (known) => known === claim);
    }
    if (claim.status !== 'active') recorder.inactiveClaims[claim.status] += 1;
    reconcileClaim(context, { uid, address, trigger, at });
    if (isNew) recorder.recordClaim(claim, changeOf(uid, before, ownershipOf(uid, address)));
  }

  function addDeletion(event: DeletionEvent): void {
    const { uid } = event;
    const before = addressesClaimedBy(facts, uid).map((address) => ({ address, periods: periodsOf(facts, address) }));
    const [contact, wasLive] = [contactIndex.ofAccount(uid), isLive(facts, uid)];
    if (!recorder.addAccount({ uid, deletedAt: event.at })) return;
    if (contact?.known && wasLive) recorder.accountDeletions.push({ contactId: contact.id, uid, cause: event });
    reconcileDeletion(context, event);
    recorder.recordAffected([uid]);
    for (const { address, periods } of before) {
      recorder.recordAffected(affectedAccounts(periods, periodsOf(facts, address)));
    }
  }

  /** Adds what the event says besides the claim. */
  function addFactsBeside(event: ClaimEvent): void {
    recorder.addAddress(addressFacts(event.address, event.at));
    recorder.addAccount(accountFacts(event));
    recorder.addChoices(accountChoices(event));
  }

  /** The parts of ownership that a claim can change. A login of the owner changes none of them. */
  function ownershipOf(uid: string, address: string): Ownership {
    // After an undo, any other account's claim can end the time for which the merge shares opt-outs.
    const isUndone = [...facts.undone].some(({ addresses }) => addresses.includes(address));
    const afterUndo = isUndone ? facts.claimsOn(address).length : 0;
    return { primary: primaryOf(facts, uid), afterUndo, periods: periodsOf(facts, address) };
  }

  /**
   * Claims of one account on one address have become active: reconciles contacts as if the latest of them had just
   * arrived.
   */
  function reconcileActivated(claims: readonly Claim[]): void {
    const latest = greatest(claims, (a, b) => a.at - b.at);
    if (!latest) return;
    const { uid, address, at } = latest;
    const trigger = { source: 'fxa' as const, event: latest.event, id: latest.eventId };
    reconcileClaim(context, { uid, address, trigger, at });
    recorder.recordStatusChanges(claims);
    track(uid, { trigger, at });
  }

  /** Whether the event counts only at a stored address, and this address is not stored. */
  function isMissing(to: NewsletterEvent['to']): boolean {
    return 'address' in to && to.onlyIfStored === true && !facts.addresses.has(to.address.key);
  }

  /** @returns false for an unknown token */
  function addNewsletterEvent(event: NewsletterEvent): boolean {
    if ('address' in event.to) {
      const { address } = event.to;
      reconcileNewAddress(context, address.key);
      recorder.addAddress(addressFacts(address, event.at, event.profile));
      const origin = addressOrigin(address.key);
      addSignUp(event, origin, newsletterChoices(event, origin));
      return true;
    }
    const { token } = event.to;
    const holder = contactIndex.ofToken(token);
    // Links in old mails carry a contact's id. Ids are not secret, so they work only for refusals.
    const contact = holder ?? (isRefusalAct(event.act) ? contactIndex.ofId(token) : null);
    if (!contact) return false;
    const uid = contactIndex.accountOf(contact);
    if (isRefusalAct(event.act)) {
      recorder.addChoices(
        refusalsByToken(event, uid, mailboxesOf(facts, uid, contactIndex.addressesOf(contact), event.at)),
      );
    }
    if (!holder) return true;
    const address = uid === null ? contactIndex.addressesOf(contact)[0] : (primaryOf(facts, uid) ?? undefined);
    const wasTheirs = address !== undefined && belongsTo(facts, uid, address, event.at);
    const typed = address === undefined ? undefined : facts.addresses.get(address)?.typed.value;
    // A profile is kept at the primary address, but only if the address was this contact's at the event's time.
    if (wasTheirs && typed !== undefined) {
      recorder.addAddress(addressFacts({ key: address, typed }, Number.NEGATIVE_INFINITY, event.profile, event.at));
    }
    // A reason stays where the details of the refusal are.
    const isInAccount = uid !== null && (event.act === 'reason' || isLive(facts, uid));
    const origin = isInAccount ? accountOrigin(uid) : wasTheirs ? addressOrigin(address) : null;
    if (!origin) return true;
    if (event.act === 'set') addSignUp(event, origin, subscriptionsOf(event, origin));
    else if (!isRefusalAct(event.act)) addSignUp(event, origin, newsletterChoices(event, origin));
    return true;
  }

  function addSignUp(event: NewsletterEvent, origin: Origin, choices: readonly Choice[]): void {
    recorder.addChoices(choices);
    const { act, proven, newsletters } = event;
    if (notesSignUps && (act === 'subscribe' || act === 'set') && !proven && newsletters.length > 0) {
      recorder.signUps.push({ event, origin });
    }
  }

  /** Tells the tracker which contacts a claim can change. */
  function expect({ uid, address }: { uid: string; address: string | Address }): void {
    const key = typeof address === 'string' ? address : address.key;
    tracker?.expect([contactIndex.ofAccount(uid), contactIndex.ofAddress(key)]);
  }

  /** The same for a deletion: it ends the claims made after it, whose addresses go to other contacts. */
  function expectDeletion(deletion: DeletionEvent): void {
    const own = contactIndex.ofAccount(deletion.uid);
    const owners = own ? contactIndex.addressesOf(own).map((key) => ownerWithout(facts, key, deletion)) : [];
    tracker?.expect([own, ...owners.map((uid) => (uid === null ? null : contactIndex.ofAccount(uid)))]);
  }

  function track(uid: string, cause: Cause): void {
    tracker?.track(
      [contactIndex.ofAccount(uid), ...contactIndex.moved],
      cause && { trigger: cause.trigger, at: cause.at },
    );
    contactIndex.moved.clear();
  }
}

const addressOrigin = (key: string): Origin => ({ kind: 'address', key });
const accountOrigin = (key: string): Origin => ({ kind: 'account', key });

interface Ownership {
  primary: string | null;
  afterUndo: number;
  periods: readonly OwnershipPeriod[];
}

/** The accounts whose views a claim changed, or `all` that claims connect to the address. */
function changeOf(uid: string, before: Ownership, after: Ownership): ReadonlySet<string> | 'all' {
  if (before.afterUndo !== after.afterUndo) return 'all';
  const affected =
    before.periods === after.periods ? new Set<string>() : affectedAccounts(before.periods, after.periods);
  return before.primary === after.primary ? affected : affected.add(uid);
}
