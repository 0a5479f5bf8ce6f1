/** The change feed as JSON: in HTTP answers and in `export --since`. */
import type { Change } from '../../contacts/profile/change';
import { contactBody } from './contact-body';

export function changeBody(change: Change) {
  if ('contact' in change) return { contact: contactBody(change.contact) };
  const { contactId, kind, survivorId } = change.tombstone;
  return { tombstone: { contact_id: contactId, kind, ...(kind === 'merged' && { survivor_contact_id: survivorId }) } };
}
