/** Generated stories on one store: events, messages by token, undos and unblocks, each in its place. */
import { expect } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent, NewsletterEvent } from '../../src/contacts/facts/event';
import { isRefusalAct } from '../../src/contacts/facts/facts';
import type { Person } from '../../src/contacts/identity/ownership';
import { acct, at, exactly, signup } from './events';
import { contactEvent } from './histories';
import { MemoryStore } from './memory-store';

/** Newsletter events address any token that was ever issued; undos and unblocks name any merge. */
export type Step =
  | { kind: 'event'; event: ContactEvent }
  | { kind: 'token'; which: number; act: NewsletterEvent['act']; newsletters: string[]; t: number; proven: boolean }
  | { kind: 'undo' | 'unblock'; which: number; t: number };

const time = fc.integer({ min: 1, max: 14 });
const acts = fc.constantFrom<NewsletterEvent['act']>(
  ...(['unsubscribe', 'unsubscribe', 'opt_out', 'subscribe', 'confirm', 'set', 'reason'] as const),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: contactEvent.map((event): Step => ({ kind: 'event', event })) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('token' as const),
      which: fc.nat(30),
      act: acts,
      newsletters: fc.uniqueArray(fc.constantFrom('n1', 'n2'), { minLength: 1, maxLength: 2 }),
      t: time,
      proven: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('undo' as const, 'undo', 'unblock'), which: fc.nat(9), t: time }),
  },
);
/** Every other history begins with a merge. */
const merge: Step[] = [acct('u1', 'a', 1), signup('b', ['n1', 'n2'], 2), acct('u1', 'b', 3)].map((event) => ({
  kind: 'event',
  event,
}));
export const story = fc
  .tuple(fc.boolean(), fc.array(step, { minLength: 3, maxLength: 16 }))
  .map(([merged, steps]) => (merged ? [...merge, ...steps] : steps));

/**
 * Plays a story.
 *
 * @param onToken sees each message by token before it is applied, and has to apply it
 */
export function play(
  story: readonly Step[],
  onToken: (event: NewsletterEvent, person: Person, store: MemoryStore, apply: () => void) => void = (
    _e,
    _p,
    _s,
    apply,
  ) => apply(),
  onEvent: (event: ContactEvent, store: MemoryStore) => void = (event, store) => store.apply([event]),
): MemoryStore {
  const store = new MemoryStore();
  let texts = 0;
  for (const step of story) {
    if (step.kind === 'event') onEvent(step.event, store);
    else if (step.kind === 'token') {
      const tokens = [...store.tokens.keys()];
      const token = tokens[step.which % Math.max(1, tokens.length)];
      const stored = store.contacts.get(store.tokens.get(token ?? '')?.contactId ?? '');
      const contact = stored?.mergedInto ? store.contacts.get(stored.mergedInto) : stored;
      if (token === undefined || contact?.state !== 'live') continue;
      const event = byToken(step, token, `text-${texts++}`);
      const uid = [...store.accountRows].find(([, id]) => id === contact.id)?.[0] ?? null;
      const addresses = [...store.addressRows].flatMap(([address, id]) => (id === contact.id ? address : [])).sort();
      onToken(event, { uid, addresses }, store, () => onEvent(event, store));
    } else {
      const plan = store.merges[step.which % Math.max(1, store.merges.length)];
      if (!plan) continue;
      if (step.kind === 'unblock') {
        for (const address of plan.addresses) store.apply([{ kind: 'unblock', uid: plan.uid, address }]);
      } else if (!store.undone.has(plan.id) && store.look(store.undoOf(plan, at(20))) === null) {
        store.apply([store.undoOf(plan, at(20))]);
      }
    }
  }
  expect(store.problems()).toEqual([]);
  return store;
}

function byToken(step: Extract<Step, { kind: 'token' }>, token: string, reason: string): NewsletterEvent {
  const { act, t, proven, which } = step;
  if (act === 'set') {
    const [names, among] = [which % 3 === 0 ? [] : step.newsletters, which % 2 === 0 ? ['n1', 'n2'] : undefined];
    return { ...exactly({ token }, names, t, { among, optin: proven }), reason, profile: { lang: 'fr' } };
  }
  const newsletters = act === 'opt_out' || act === 'confirm' ? [] : step.newsletters;
  const optin = proven && !isRefusalAct(act) && act !== 'reason';
  return {
    ...signup({ token }, newsletters, t, { optin }),
    ...{ act, reason, profile: isRefusalAct(act) ? { lang: 'fr' } : {} },
  };
}
