import type { Facts } from '../facts/facts';
import { asTyped, type ContactView } from './contact-view';

/** A live contact as readers get it, in answers, exports and notifications. */
export interface ContactSnapshot {
  id: string;
  token: string;
  version: number;
  view: ContactView;
  /** The primary address as its reader typed it; null for an account without an address. */
  primaryAsTyped: string | null;
}

/** A stored contact, with the times of its row. */
export interface StoredContact extends ContactSnapshot {
  createdAt: Date;
  /** When the version last rose; null for a contact that has not changed since this time was first recorded. */
  updatedAt: Date | null;
}

export const contactSnapshot = (
  contact: Pick<ContactSnapshot, 'id' | 'token' | 'version'>,
  view: ContactView,
  facts: Facts,
): ContactSnapshot => ({ ...contact, view, primaryAsTyped: asTyped(facts, view.primary) });
