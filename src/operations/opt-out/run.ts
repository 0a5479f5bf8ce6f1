import { randomUUID } from 'node:crypto';
import { normaliseAddress } from '../../contacts/facts/address';
import type { NewsletterEvent } from '../../contacts/facts/event';
import { OperatorError } from '../../foundation/operator-error';
import { type ApplyOptions, applyBatch } from '../../ingest/apply/transaction';
import type { Database, Transaction } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { findContact } from '../../postgres/look-ups/find-contact';
import { addToAudit } from '../../postgres/tables/audit';
import { hasOptOutFrom } from '../../postgres/tables/choice';
import { findHolder } from '../../postgres/tables/email-address';
import { type Author, STAFF_SOURCE } from '../audited';

/** The address of an opt-out, in the form that any unsubscribe has. */
export type Addressee = Extract<NewsletterEvent['to'], { address: unknown }>;

/** @returns the problem of a text that is not an address */
export function addresseeOf(text: string): Addressee | string {
  const normalised = normaliseAddress(text);
  if (normalised.ok) return { address: normalised.address };
  return normalised.perhapsStored ? { address: normalised.perhapsStored, onlyIfStored: true } : normalised.problem;
}

const MOVED = 'The address belongs to another reader now. Nothing was changed.';

/** `new`: the address was unknown, and got a contact. `already`: an earlier opt-out of staff at this address is in force. */
export type OptOutResult = 'opted_out' | 'new' | 'already';

const NOT_STORED = 'no contact has the address, and it has mail-header syntax in its local part';

/**
 * Applies an unsubscribe from all email that happens now, as an event of this kind is applied. A reader's own opt-out does
 * not make it superfluous: a proof of consent that is older than now, and comes later, may lift that one.
 *
 * @param contactId the contact that has the address, as the operator saw it; without it, any contact may
 * @throws OperatorError if another contact has the address now
 */
export async function optOut(
  db: Database,
  to: Addressee,
  author: Author,
  options: ApplyOptions,
  contactId?: string,
): Promise<OptOutResult | { problem: string }> {
  if (await isOptedOutByStaff(db, to.address.key)) return 'already';
  const event: NewsletterEvent = {
    kind: 'newsletter',
    trigger: { source: 'newsletter', event: 'newsletter.unsubscribe', id: randomUUID() },
    at: Date.now(),
    to,
    act: 'opt_out',
    newsletters: [],
    proven: false,
    profile: {},
    source: STAFF_SOURCE,
    reason: author.reason ?? undefined,
  };
  const { key } = to.address;
  const alsoSave = async (tx: Transaction, changes: { notStored: readonly number[] }): Promise<void> => {
    if (changes.notStored.length > 0) return;
    if (contactId !== undefined && (await findHolder(tx, key)) !== contactId) throw new OperatorError(MOVED);
    await addToAudit(tx, { ...author, command: 'opt-out', target: { email: key }, result: { result: 'opted_out' } });
  };
  const { notStored, before } = await retryTransient(() => applyBatch(db, [event], { ...options, alsoSave }));
  if (notStored.length > 0) return { problem: NOT_STORED };
  return before.fresh.address.has(key) ? 'new' : 'opted_out';
}

async function isOptedOutByStaff(db: Database, address: string): Promise<boolean> {
  if (!(await hasOptOutFrom(db, STAFF_SOURCE, { address }))) return false;
  const contact = await findContact(db, { by: 'email', address });
  return contact?.view.optedOut ?? false;
}
