/** What is told to others: contacts as they are once the batch is committed, and what happened to them. */
import type { Changes } from './changes';
import type { Contact, Directory, Token } from './directory';
import type { Claim, Facts } from './facts';
import { fold, type View } from './fold';
import type { MergePlan, MergeRecord } from './merge';
import { addressesOwnedBy, type Person, passedSince } from './ownership';
import type { Cause } from './watch';

/** A live contact, as a mailer has to know it. */
export interface Told {
  id: string;
  token: string;
  version: number;
  view: View;
  /** As typed, for mailing; null for an account that has no address. */
  primary: string | null;
}

export interface MergeNotice {
  kind: 'merged';
  plan: MergePlan;
  survivor: Told;
  retired: { id: string; token: string | null };
  /** The token that stopped to work; null when only one side had a token that anybody knew. */
  tokenRetired: string | null;
  /** Newsletters that the account is subscribed to now, and was not without the event that caused the merge. */
  added: string[];
}

export interface UnmergeNotice {
  kind: 'unmerged';
  merge: MergeRecord;
  /** Milliseconds since 1970. */
  at: number;
  survivor: Told;
  restored: Told;
}

export interface EmailNotice {
  kind: 'email_changed';
  contact: Told;
  /** As typed; null for an account that had no address. */
  former: string | null;
  cause: Cause;
}

export interface ReviewNotice {
  kind: 'review_needed';
  contact: Told;
  /** As typed; null for an account that never had an address. */
  former: string | null;
  cause: Cause;
}

export type Notice = MergeNotice | UnmergeNotice | EmailNotice | ReviewNotice;

/**
 * @param facts all that is known of the people concerned (`concernedBy`), consent ledger included.
 */
export function noticesOf(changes: Changes, directory: Directory, facts: Facts): Notice[] {
  const told = (id: string): Told => tell(directory.contacts.get(id) as Contact, directory, facts);
  const typed = (address: string | null): string | null => facts.addresses.get(address ?? '')?.typed.value ?? null;
  return [
    ...changes.merges.filter((plan) => plan.announced).map((plan) => merged(plan, directory, facts)),
    ...changes.undone
      .filter(({ merge }) => merge.announced)
      .map(
        ({ merge, at }): UnmergeNotice => ({
          kind: 'unmerged',
          merge,
          at,
          survivor: told(merge.survivorId),
          restored: told(merge.retiredId),
        }),
      ),
    ...changes.emailChanges.map(
      ({ contactId, former, cause }): EmailNotice => ({
        kind: 'email_changed',
        contact: told(contactId),
        former: typed(former),
        cause,
      }),
    ),
    ...changes.reviews.map(
      ({ contactId, former, cause }): ReviewNotice => ({
        kind: 'review_needed',
        contact: told(contactId),
        former: typed(former),
        cause,
      }),
    ),
  ];
}

/** Everybody whose facts the ledger or a notice of these changes may need: over all claims, as far as these lead. */
export function concernedBy(changes: Changes, directory: Directory, facts: Facts): Concerned {
  const contacts = [...changes.emailChanges, ...changes.reviews].map(
    ({ contactId }) => directory.contacts.get(contactId) as Contact,
  );
  return reach(facts, {
    addresses: [
      ...changes.merges.flatMap((plan) => plan.addresses),
      ...changes.undone.flatMap(({ merge }) => merge.addresses),
      ...contacts.flatMap((contact) => directory.addressesOf(contact)),
    ],
    uids: contacts.flatMap((contact) => directory.accountOf(contact) ?? []),
  });
}

export interface Concerned {
  addresses: string[];
  uids: string[];
}

function reach(facts: Facts, from: Concerned): Concerned {
  const [addresses, uids] = [new Set(from.addresses), new Set<string>()];
  const follow = (uid: string): void => {
    uids.add(uid);
    for (const claim of facts.claimsBy(uid)) addresses.add(claim.address);
  };
  for (const uid of from.uids) follow(uid);
  // It grows while it is walked, until nothing new is reached.
  for (const address of addresses) for (const { uid } of facts.claimsOn(address)) if (!uids.has(uid)) follow(uid);
  return { addresses: [...addresses], uids: [...uids] };
}

function merged(plan: MergePlan, directory: Directory, facts: Facts): MergeNotice {
  const first = directory.contacts.get(plan.survivorId) as Contact;
  const last = first.mergedInto ? (directory.contacts.get(first.mergedInto) as Contact) : first;
  const survivor = tell(last, directory, facts);
  const uid = directory.accountOf(last);
  const before = uid === null ? undefined : sidesBefore(plan, uid, facts).survivor;
  const subscribed = (seen: View | undefined, name: string): boolean =>
    seen?.newsletters.get(name)?.state === 'subscribed';
  return {
    kind: 'merged',
    plan,
    survivor,
    retired: { id: plan.retiredId, token: plan.token.keep === 'retired' ? plan.tokenKept : plan.tokenRetired },
    // A survivor that was merged on in the same batch may have lost the token that it had just kept.
    tokenRetired: survivor.token === plan.tokenKept ? plan.tokenRetired : plan.tokenKept,
    added: [...survivor.view.newsletters.keys()].filter(
      (name) => subscribed(survivor.view, name) && !subscribed(before, name),
    ),
  };
}

function tell(contact: Contact, directory: Directory, facts: Facts): Told {
  const view = fold(facts, { uid: directory.accountOf(contact), addresses: directory.addressesOf(contact) });
  return {
    id: contact.id,
    token: (contact.token as Token).id,
    version: contact.version + 1,
    view,
    primary: facts.addresses.get(view.primary ?? '')?.typed.value ?? null,
  };
}

/** Both sides of a merge as they would be had the claims that caused it, or the deletion, not come. */
export function sidesBefore(plan: MergePlan, uid: string, facts: Facts): { survivor: View; retired: View } {
  const { claimant, reason, addresses } = plan;
  const took = (claim: Claim): boolean =>
    claim.uid === plan.uid &&
    addresses.includes(claim.address) &&
    claim.at > passedSince(facts, claim.address, claimant);
  const others = facts.without(
    reach(facts, { addresses, uids: [uid] }),
    reason === 'deletion' ? { deletionOf: claimant } : { claim: took },
  );
  const account = (key: string): Person => ({ uid: key, addresses: addressesOwnedBy(others, key) });
  return {
    survivor: fold(others, account(uid)),
    retired: fold(others, claimant === null ? { uid: null, addresses } : account(claimant)),
  };
}
