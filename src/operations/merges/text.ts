import type { UndoRefusal } from '../../contacts/merge/undo';

/** Why a merge cannot be undone. */
export const REFUSALS: Record<UndoRefusal, string> = {
  superseded:
    'The merge cannot be undone: a later merge depends on it, or another account has one of its addresses now.',
  empty:
    'The merge cannot be undone: one contact would be left with neither an address nor a live account, or an address ' +
    'would go to a third contact. The owner of the address can claim it with an account of their own.',
};

/** What an undo leaves behind. */
export const blockedText = (addresses: readonly string[], until: string): string =>
  `The account's claims on ${addresses.join(', ')} do not count until ${until}.`;
