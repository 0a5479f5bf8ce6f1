/** What is told to others: contacts as they are once the batch is committed, and what happened to them. */
import type { Changes } from './changes';
import type { Contact, Directory, Token } from './directory';
import type { Facts } from './facts';
import type { View } from './fold';
import type { MergePlan, MergeRecord } from './merge';
import { type Concerned, type MergeSides, reach, viewOf } from './sides';
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
 * @param sides of each merge.
 * @param facts all that is known of the people concerned (`concernedBy`), consent ledger included.
 */
export function noticesOf(
  changes: Changes,
  sides: readonly MergeSides[],
  directory: Directory,
  facts: Facts,
): Notice[] {
  const told = (id: string): Told => tell(directory.contacts.get(id) as Contact, directory, facts);
  const typed = (address: string | null): string | null => facts.addresses.get(address ?? '')?.typed.value ?? null;
  return [
    ...sides.filter(({ plan }) => plan.announced).map((merge) => merged(merge, facts)),
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

function merged({ plan, root, survivor: before, after }: MergeSides, facts: Facts): MergeNotice {
  const survivor = tellAs(root, after, facts);
  const subscribed = (seen: View, name: string): boolean => seen.newsletters.get(name)?.state === 'subscribed';
  return {
    kind: 'merged',
    plan,
    survivor,
    retired: { id: plan.retiredId, token: plan.token.keep === 'retired' ? plan.tokenKept : plan.tokenRetired },
    // A survivor that was merged on in the same batch may have lost the token that it had just kept.
    tokenRetired: survivor.token === plan.tokenKept ? plan.tokenRetired : plan.tokenKept,
    added: [...after.newsletters.keys()].filter((name) => subscribed(after, name) && !subscribed(before, name)),
  };
}

const tell = (contact: Contact, directory: Directory, facts: Facts): Told =>
  tellAs(contact, viewOf(contact, directory, facts), facts);

const tellAs = (contact: Contact, view: View, facts: Facts): Told => ({
  id: contact.id,
  token: (contact.token as Token).id,
  version: contact.version + 1,
  view,
  primary: facts.addresses.get(view.primary ?? '')?.typed.value ?? null,
});
