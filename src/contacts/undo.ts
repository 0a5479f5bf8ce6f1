/**
 * Undo: the account's claims on the merge's addresses are blocked, and the stored contacts follow. Facts never moved, so
 * each side has its own again, also what was learned since; an opt-out made meanwhile counts for both (fold.ts).
 */
import type { UndoCommand } from './command';
import type { Directory } from './directory';
import type { Time } from './event';
import type { Block, Claim, Facts } from './facts';
import type { MergeRecord } from './merge';
import { addressesOwnedBy, ownerOf, passedSince } from './ownership';

export type UndoRefusal =
  /** Something happened since that hangs on the merge: undo that first. */
  | 'superseded'
  /** A side would be left with nothing, or an address would go to a third contact. */
  | 'empty';

export interface Undone {
  merge: MergeRecord;
  at: Time;
  blocks: Block[];
  /** Those that the blocks cover. */
  claims: Claim[];
}

interface World {
  facts: Facts;
  directory: Directory;
}

/** Undoes a merge, or refuses. After a refusal the world is of no use any more: nothing of it may be saved. */
export function undo(
  { facts, directory }: World,
  { merge, at, superseded, followers }: UndoCommand,
): Undone | UndoRefusal {
  const { uid, claimant, addresses } = merge;
  const [survivor, retired] = [directory.contacts.get(merge.survivorId), directory.contacts.get(merge.retiredId)];
  if (superseded || survivor?.state !== 'live' || directory.accountOf(survivor) !== uid) return 'superseded';
  if (retired?.state !== 'merged' || addresses.some((address) => directory.ofAddress(address) !== survivor)) {
    return 'superseded';
  }

  const blocks = addresses.map((address) => ({ uid, address, since: passedSince(facts, address, claimant, uid) }));
  const claims = blocks.flatMap((block) => facts.learnBlock(block));
  const owners = new Set(addresses.map((address) => ownerOf(facts, address)));
  const [owner] = owners;
  if (owners.size !== 1 || owner === undefined || (owner !== null && owner !== claimant)) return 'empty';
  if (owner === null ? addresses.length > 1 : directory.ofAccount(owner)) return 'empty';
  if (facts.deletedAt(uid) !== undefined && addressesOwnedBy(facts, uid).length === 0) return 'empty';

  directory.revive(retired, followers);
  for (const address of addresses) directory.place(address, retired);
  if (owner !== null) directory.attach(owner, retired);
  if (merge.tokenSide === 'retired') {
    retired.token = survivor.token;
    directory.reviveToken(survivor, merge.tokenRetired);
  } else {
    directory.reviveToken(retired, merge.tokenRetired);
  }
  facts.learnUndone({ mergeId: merge.id, uid, claimant, addresses, from: merge.at, until: at });
  return { merge, at, blocks, claims };
}
