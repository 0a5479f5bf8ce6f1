/** The change feed as JSON: in HTTP answers and in `export --since`. */
import type { Change } from '../../contacts/profile/change';
import { contactBody } from '../outgoing/contact-body';
import type { ChangeBody } from './schemas';

export function changeBody(change: Change): ChangeBody {
  if ('contact' in change) return { contact: contactBody(change.contact) };
  const { contactId, kind, survivorId } = change.tombstone;
  const survivor = kind === 'merged' && survivorId !== null ? { survivor_contact_id: survivorId } : {};
  return { tombstone: { contact_id: contactId, kind, ...survivor } };
}
