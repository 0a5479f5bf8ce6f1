/** What people decide through the command line. `decide` takes it like an event, under the same locks. */

import type { Time } from '../facts/event';
import type { MergeRecord } from './merge';

/** Lets the held claims of an account on an address count (`collisions resolve`). */
export interface ReleaseCommand {
  kind: 'release';
  uid: string;
  address: string;
}

/** Ends the block that an undo left: the account's claims on the address count again (`merges unblock`). */
export interface UnblockCommand {
  kind: 'unblock';
  uid: string;
  address: string;
}

/** Takes a merge back (`merges undo`). */
export interface UndoRequest {
  kind: 'undo';
  at: Time;
  merge: MergeRecord;
}

/** The same with what the ledger says, once the locks are held, of what came after the merge. */
export interface UndoCommand extends UndoRequest {
  /** A later merge that is not undone has the survivor on either side. */
  superseded: boolean;
  /** Contacts that had been merged, at any depth, into the one that was retired. */
  followers: readonly string[];
}

export type Command = ReleaseCommand | UnblockCommand | UndoCommand;
