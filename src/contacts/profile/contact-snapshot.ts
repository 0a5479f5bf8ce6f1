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

export const contactSnapshot = (
  contact: Pick<ContactSnapshot, 'id' | 'token' | 'version'>,
  view: ContactView,
  facts: Facts,
): ContactSnapshot => ({ ...contact, view, primaryAsTyped: asTyped(facts, view.primary) });
