/** Decisions of an operator. `decide` takes them like events, under the same locks. */
import type { Time } from '../facts/event';
import type { MergePlan } from './merge';

/** Activates the held claims of an account on an address (`collisions resolve`). */
export interface ReleaseCommand {
  kind: 'release';
  uid: string;
  address: string;
}

/** Removes the block that an undo left and activates the account's claims on the address again (`merges unblock`). */
export interface UnblockCommand {
  kind: 'unblock';
  uid: string;
  address: string;
}

/** Takes a merge back (`merges undo`). */
export interface UndoRequest {
  kind: 'undo';
  at: Time;
  merge: MergePlan;
}

/** An undo request, with what the ledger says about the time since the merge. It is read under the locks. */
export interface UndoCommand extends UndoRequest {
  /** A later merge that is not undone has the survivor on either side. */
  superseded: boolean;
  /** Contacts that had been merged, at any depth, into the retired one. */
  followers: readonly string[];
}

export type Command = ReleaseCommand | UnblockCommand | UndoCommand;
