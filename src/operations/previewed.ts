/** What a person has seen and confirmed is what is done: a decision with another effect is not carried out. */
import { createHash } from 'node:crypto';
import type { ChangeSet } from '../contacts/change-recorder';
import type { ApplyOptions } from '../ingest/apply/transaction';

/** Between preview and confirmation, something changed what the decision does. Nothing was done. */
export class EffectChanged extends Error {
  constructor() {
    super('the effect differs from the one that was shown');
  }
}

export interface ConfirmedOptions extends ApplyOptions {
  /** The effect that was shown, from the dry run. */
  seen?: string | undefined;
}

/**
 * What a batch does to contacts and tokens, as a short text to compare. Ids that it makes up are different each time, and
 * therefore count as one.
 *
 * @throws EffectChanged if it is not the one that was seen
 */
export function checkedEffect({ contacts, addresses, accounts, tokens, ...changes }: ChangeSet, seen?: string): string {
  const made = new Set([...contacts.created, ...tokens.issued].map(({ id }) => id));
  const stable = (id: string | null): string | null => (id !== null && made.has(id) ? 'new' : id);
  const lines = [
    ...addresses.map(({ facts, contactId }) => ['address', facts.address, stable(contactId)]),
    ...accounts.map(({ uid, contactId }) => ['account', uid, stable(contactId)]),
    ...contacts.changed.map(({ id, state, token }) => ['contact', id, state, stable(token?.id ?? null)]),
    ...changes.merges.map(({ survivorId, retiredId }) => ['merge', stable(survivorId), stable(retiredId)]),
  ];
  const text = lines.map((line) => JSON.stringify(line)).sort();
  const effect = createHash('sha256').update(text.join('\n')).digest('base64url');
  if (seen !== undefined && seen !== effect) throw new EffectChanged();
  return effect;
}

/** Null if the effect is not the one that was shown. */
export const unlessChanged = <T>(work: Promise<T>): Promise<T | null> =>
  work.catch((error: unknown) => {
    if (error instanceof EffectChanged) return null;
    throw error;
  });
