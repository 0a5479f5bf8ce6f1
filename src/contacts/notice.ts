/** What is told of a merge: the contact as it is once the batch is committed, and what the merge brought it. */
import type { Contact, Directory, Token } from './directory';
import type { Facts } from './facts';
import { fold, type View } from './fold';
import type { MergePlan } from './merge';
import { addressesOwnedBy } from './ownership';

export interface MergeNotice {
  plan: MergePlan;
  survivor: { id: string; token: string; version: number; view: View };
  retired: { id: string; token: string | null };
  /** The token that stopped to work; null when only one side had a token that anybody knew. */
  tokenRetired: string | null;
  /** As typed, for mailing; null when the survivor lost its last address in the same batch. */
  primary: string | null;
  /** Newsletters that the account is subscribed to now, and was not without the event that caused the merge. */
  added: string[];
}

/**
 * @param facts all that is known of the people whom the merges concern, consent ledger included.
 */
export function noticesOf(merges: readonly MergePlan[], directory: Directory, facts: Facts): MergeNotice[] {
  return merges.filter((plan) => plan.announced).map((plan) => noticeOf(plan, directory, facts));
}

/** Everybody whose facts a notice of these merges may need: over all claims, as far as these lead. */
export function concerned(merges: readonly MergePlan[], facts: Facts): { addresses: string[]; uids: string[] } {
  const addresses = new Set(merges.filter((plan) => plan.announced).flatMap((plan) => plan.addresses));
  const uids = new Set<string>();
  // Both sets grow while they are walked, until nothing new is reached.
  for (const address of addresses) {
    for (const { uid } of facts.claimsOn(address)) {
      uids.add(uid);
      for (const claim of facts.claimsBy(uid)) addresses.add(claim.address);
    }
  }
  return { addresses: [...addresses], uids: [...uids] };
}

function noticeOf(plan: MergePlan, directory: Directory, facts: Facts): MergeNotice {
  const merged = directory.contacts.get(plan.survivorId) as Contact;
  const survivor = merged.mergedInto ? (directory.contacts.get(merged.mergedInto) as Contact) : merged;
  const uid = directory.accountOf(survivor);
  const view = fold(facts, { uid, addresses: directory.addressesOf(survivor) });
  const before = uid === null ? undefined : viewWithout(plan, uid, facts);
  const { id: token } = survivor.token as Token;
  const subscribed = (seen: View | undefined, name: string): boolean =>
    seen?.newsletters.get(name)?.state === 'subscribed';
  return {
    plan,
    survivor: { id: survivor.id, token, version: survivor.version + 1, view },
    retired: { id: plan.retiredId, token: plan.token.keep === 'retired' ? plan.tokenKept : plan.tokenRetired },
    // A survivor that was merged on in the same batch may have lost the token that it had just kept.
    tokenRetired: token === plan.tokenKept ? plan.tokenRetired : plan.tokenKept,
    primary: facts.addresses.get(view.primary ?? '')?.typed.value ?? null,
    added: [...view.newsletters.keys()].filter((name) => subscribed(view, name) && !subscribed(before, name)),
  };
}

/** The view of an account as it would be had the event that caused the merge not come. */
function viewWithout(plan: MergePlan, uid: string, facts: Facts): View {
  const { trigger, at, claimant, reason } = plan;
  const others = facts.without(
    concerned([plan], facts),
    reason === 'deletion'
      ? { deletionOf: claimant }
      : { claim: (claim) => claim.uid === plan.uid && claim.at === at && claim.eventId === trigger.id },
  );
  return fold(others, { uid, addresses: addressesOwnedBy(others, uid) });
}
