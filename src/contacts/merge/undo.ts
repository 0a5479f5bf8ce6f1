/**
 * Undoing a merge blocks the account's claims on its addresses and restores the retired contact. Facts never moved, so
 * each side gets its own back, including those from the time of the merge; see `attribution.ts` for **Opt-outs while
 * merged count for both**.
 */
import type { Time } from '../facts/event';
import type { Block, Claim, Facts } from '../facts/facts';
import type { ContactIndex } from '../identity/contact-index';
import { addressesOwnedBy, inheritedSince, ownerOf } from '../identity/ownership';
import type { UndoCommand } from './command';
import type { MergePlan } from './merge';

export type UndoRefusal =
  /** A later change depends on the merge and has to be undone first. */
  | 'superseded'
  /** A side would be left with nothing, or an address would go to a third contact. */
  | 'empty';

export interface Undone {
  merge: MergePlan;
  at: Time;
  blocks: Block[];
  /** The claims that the blocks cover. */
  claims: Claim[];
}

/** Undoes a merge, or refuses. After a refusal `facts` may be half changed and nothing may be saved. */
export function undo(
  { facts, contactIndex }: { facts: Facts; contactIndex: ContactIndex },
  { merge, at, superseded, followers }: UndoCommand,
): Undone | UndoRefusal {
  const { uid, claimant, addresses } = merge;
  const [survivor, retired] = [contactIndex.contacts.get(merge.survivorId), contactIndex.contacts.get(merge.retiredId)];
  if (superseded || survivor?.state !== 'live' || contactIndex.accountOf(survivor) !== uid) return 'superseded';
  if (retired?.state !== 'merged' || addresses.some((address) => contactIndex.ofAddress(address) !== survivor)) {
    return 'superseded';
  }

  const blocks = addresses.map((address) => ({ uid, address, since: inheritedSince(facts, address, claimant, uid) }));
  const claims = blocks.flatMap((block) => facts.addBlock(block));
  const owners = new Set(addresses.map((address) => ownerOf(facts, address)));
  const [owner] = owners;
  if (owners.size !== 1 || owner === undefined || (owner !== null && owner !== claimant)) return 'empty';
  if (owner === null ? addresses.length > 1 : contactIndex.ofAccount(owner)) return 'empty';
  if (facts.deletedAt(uid) !== undefined && addressesOwnedBy(facts, uid).length === 0) return 'empty';

  contactIndex.revive(retired, followers);
  for (const address of addresses) contactIndex.place(address, retired);
  if (owner !== null) contactIndex.attach(owner, retired);
  if (merge.token.keep === 'retired') {
    retired.token = survivor.token;
    contactIndex.reviveToken(survivor, merge.tokenRetired);
  } else {
    contactIndex.reviveToken(retired, merge.tokenRetired);
  }
  facts.addUndone({ mergeId: merge.id, uid, claimant, addresses, from: merge.at, until: at });
  return { merge, at, blocks, claims };
}
