import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ClaimEvent } from '../../src/contacts/facts/event';
import { contactView } from '../../src/contacts/profile/contact-view';
import { acct, at } from '../support/events';
import { contactEvent } from '../support/histories';
import { MemoryStore } from '../support/memory-store';

/** The version and the whole view of each live contact. */
function contactsOf(store: MemoryStore): Map<string, { version: number; view: string }> {
  const contacts = new Map<string, { version: number; view: string }>();
  for (const { id, state, version } of store.contacts.values()) {
    if (state !== 'live') continue;
    const addresses = [...store.addressRows]
      .flatMap(([address, contactId]) => (contactId === id ? address : []))
      .sort();
    const [uid = null] = [...store.accountRows].flatMap(([key, contactId]) => (contactId === id ? key : []));
    // Readers do not see when a value was learned.
    const { profileSources, ...view } = contactView(store.facts, { uid, addresses });
    contacts.set(id, { version, view: JSON.stringify({ ...view, newsletters: [...view.newsletters] }) });
  }
  return contacts;
}

const bare = (event: ClaimEvent): ClaimEvent => ({ ...event, newsletters: [], locale: undefined, country: undefined });

const claim = fc
  .tuple(fc.constantFrom('u1', 'u2', 'u3'), fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 12 }))
  .map(([u, a, t]) => acct(u, a, t));
const batches = fc.array(fc.array(fc.oneof(contactEvent, claim), { minLength: 1, maxLength: 3 }), { maxLength: 12 });

describe('the version of a contact', () => {
  it('rises by one with each change of ownership that changes its view, in generated histories with undone merges', () => {
    fc.assert(
      fc.property(batches, fc.nat(3), (history, undone) => {
        const store = new MemoryStore();
        for (const [i, batch] of history.entries()) {
          // Saving raises the version for a new choice, and for what an account says of its reader: this is about all other
          // reasons.
          store.apply(batch.filter(({ kind }) => kind === 'newsletter'));
          const before = contactsOf(store);
          store.apply(
            batch.flatMap((event) => (event.kind === 'claim' ? bare(event) : event.kind === 'deletion' ? event : [])),
          );
          for (const [id, after] of contactsOf(store)) {
            const known = before.get(id);
            if (!known) continue;
            if (after.view !== known.view) expect(after.version).toBe(known.version + 1);
            else expect(after.version - known.version).toBeLessThanOrEqual(1);
          }
          const merge = store.merges.at(-1);
          if (!merge || i % 4 !== undone || store.undone.has(merge.id)) continue;
          const command = store.undoOf(merge, at(13 + i));
          if (store.look(command) === null) store.apply([command]);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
