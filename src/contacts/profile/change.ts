import type { StoredContact } from './contact-snapshot';

/** What is left of a contact that ended. */
export interface Tombstone {
  contactId: string;
  kind: 'merged' | 'closed' | 'erased';
  /** The live contact that has its addresses now; null unless it was merged. */
  survivorId: string | null;
}

/** What became of a contact, as the change feed reports it: the whole contact, or its end. */
export type Change = { contact: StoredContact } | { tombstone: Tombstone };
