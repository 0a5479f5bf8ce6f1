/**
 * decide: (state, events) -> changes. No clock, no randomness, no I/O but what is passed in.
 *
 * The events are taken one after the other, as if each came alone; what they change is told once, at the end.
 */
import { type Changes, Draft, type State } from './changes';
import type { Command } from './command';
import type { ClaimEvent, ContactEvent, NewsletterEvent, Time } from './event';
import type { Claim, Facts } from './facts';
import { followClaim, followDeletion, followNewAddress, takes, type World } from './follow';
import { erasOf, primaryOf } from './ownership';
import { accountFacts, addressFacts, choicesOf, claimOf } from './record';
import type { TokenPolicy } from './tokens';
import { undo } from './undo';
import { type Cause, PrimaryWatch } from './watch';

export interface Options {
  tokenPolicy: TokenPolicy;
  /** Of this account, claims that would take an address from a contact wait for a decision (observe mode). */
  observes(uid: string): boolean;
  mergeId(): string;
}

export function decide(
  state: State,
  steps: readonly (ContactEvent | Command)[],
  { tokenPolicy, observes, mergeId }: Options,
): Changes {
  const { facts, directory, rows, fresh } = state;
  const draft = new Draft(state);
  const candidate: World['candidate'] = (kind, key) => {
    const id = fresh[kind].has(key) ? rows[kind].get(key) : undefined;
    return id && !directory.contacts.has(id) ? id : undefined;
  };
  const world: World = { facts, directory, merges: draft.merges, tokenPolicy, mergeId, candidate };
  // Newsletter events move nothing.
  const watch = steps.some(({ kind }) => kind !== 'newsletter') ? new PrimaryWatch(facts, directory) : null;

  for (const [index, step] of steps.entries()) {
    switch (step.kind) {
      case 'claim':
        takeClaim(step);
        look(step.uid, step);
        break;
      case 'deletion':
        if (draft.learnAccount({ uid: step.uid, deletedAt: step.at })) followDeletion(world, step);
        look(step.uid, step);
        break;
      case 'newsletter':
        if (!takeNewsletter(step)) draft.unknownTokens.push(index);
        break;
      case 'release':
        recount(facts.settleClaims(step.uid, step.address, 'counted', ({ standing }) => standing === 'held'));
        break;
      case 'unblock':
        draft.unblocked.push(step);
        recount(facts.forgetBlock(step.uid, step.address));
        break;
      case 'undo': {
        const undone = undo(world, step);
        if (typeof undone === 'string') {
          draft.refusal = undone;
          break;
        }
        draft.undone.push(undone);
        draft.noteStandings(undone.claims);
        look(step.merge.uid, null);
        break;
      }
    }
  }
  return draft.changes({ emailChanges: watch?.emailChanges() ?? [], reviews: watch?.reviews() ?? [] });

  function takeClaim(event: ClaimEvent): void {
    const { uid, trigger, at } = event;
    const address = event.address.key;
    draft.learnAddress(addressFacts(event.address, at));
    draft.learnAccount(accountFacts(event));
    const news = facts.learnClaim(claimOf(event));
    const claim = facts.claim({ address, uid, at }) as Claim;
    if (news && observes(uid) && takes(world, claim)) {
      facts.settleClaims(uid, address, 'held', (known) => known === claim);
    }
    if (claim.standing !== 'counted') draft.uncounted[claim.standing] += 1;
    followClaim(world, { uid, address, trigger, at });
    if (news) draft.noteClaim(claim);
    draft.learnChoices(choicesOf(event));
  }

  /** Claims of one account on one address that count from now on: as if the last of them had just come. */
  function recount(claims: readonly Claim[]): void {
    const last = claims.reduce<Claim | null>((a, b) => (a && a.at > b.at ? a : b), null);
    if (!last) return;
    const { uid, address, at } = last;
    const trigger = { source: 'fxa' as const, event: last.event, id: last.eventId };
    followClaim(world, { uid, address, trigger, at });
    draft.noteStandings(claims);
    look(uid, { trigger, at });
  }

  function takeNewsletter(event: NewsletterEvent): boolean {
    if ('address' in event.to) {
      const { address } = event.to;
      followNewAddress(world, address.key);
      draft.learnAddress(addressFacts(address, event.at, event.profile));
      draft.learnChoices(choicesOf(event, { kind: 'address', key: address.key }));
      return true;
    }
    const contact = directory.ofToken(event.to.token);
    if (!contact) return false;
    const uid = directory.accountOf(contact);
    const address = uid === null ? directory.addressesOf(contact)[0] : (primaryOf(facts, uid) ?? undefined);
    const typed = address === undefined ? undefined : facts.addresses.get(address)?.typed.value;
    // A profile is kept at an address: the one that the reader has, if it was theirs at the time.
    if (address !== undefined && typed !== undefined && (uid === null || ownedThen(facts, address, uid, event.at))) {
      draft.learnAddress(addressFacts({ key: address, typed }, Number.NEGATIVE_INFINITY, event.profile, event.at));
    }
    const live = uid !== null && facts.deletedAt(uid) === undefined;
    draft.learnChoices(
      choicesOf(event, live ? { kind: 'account', key: uid } : { kind: 'address', key: address as string }),
    );
    return true;
  }

  function look(uid: string, cause: Cause): void {
    watch?.look([directory.ofAccount(uid), ...directory.moved], cause && { trigger: cause.trigger, at: cause.at });
    directory.moved.clear();
  }
}

const ownedThen = (facts: Facts, address: string, uid: string, at: Time): boolean =>
  erasOf(facts, address).some((era) => era.owner === uid && era.from < at && at <= era.until);
