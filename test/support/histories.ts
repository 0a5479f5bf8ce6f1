/** Generated histories with few people, addresses and times, so that collisions and equal times are common. */
import fc from 'fast-check';
import type { ContactEvent, Profile } from '../../src/contacts/facts/event';
import { acct, because, confirm, del, exactly, login, optout, signup, unsub } from './events';

const uid = fc.constantFrom('u1', 'u2', 'u3', 'u4');
const address = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const time = fc.integer({ min: 1, max: 12 });
const newsletters = fc.uniqueArray(fc.constantFrom('n1', 'n2'), { maxLength: 2 });
const chosen = fc.uniqueArray(fc.constantFrom('n1', 'n2'), { minLength: 1, maxLength: 2 });
const value = fc.constantFrom('x', 'y', null);
const profile: fc.Arbitrary<Profile> = fc.record(
  { firstName: value, lang: fc.constantFrom('fr', 'de', null) },
  { requiredKeys: [] },
);

export const contactEvent: fc.Arbitrary<ContactEvent> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(uid, address, time).map(([u, a, t]) => acct(u, a, t)) },
  { weight: 3, arbitrary: fc.tuple(uid, address, time).map(([u, a, t]) => login(u, a, t)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(uid, address, time, newsletters, fc.constantFrom('de', 'fr-CA,fr;q=0.5'))
      .map(([u, a, t, list, locale]) => acct(u, a, t, { newsletters: list, locale, country: 'ca' })),
  },
  { weight: 2, arbitrary: fc.tuple(uid, time).map(([u, t]) => del(u, t)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(address, newsletters, time, fc.boolean(), profile)
      .map(([a, list, t, optin, fields]) =>
        optin && list.length === 0 ? confirm(a, t) : signup(a, list, t, { optin, profile: fields }),
      ),
  },
  { weight: 1, arbitrary: fc.tuple(address, chosen, time).map(([a, list, t]) => unsub(a, list, t)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(address, newsletters, time, fc.option(newsletters, { nil: undefined }), fc.boolean())
      .map(([a, list, t, among, optin]) => exactly(a, list, t, { among, optin })),
  },
  { weight: 1, arbitrary: fc.tuple(address, time).map(([a, t]) => optout(a, t)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(address, fc.constantFrom('why', 'because'), newsletters, time)
      .map(([a, reason, list, t]) => because(a, reason, list, t)),
  },
  { weight: 1, arbitrary: fc.tuple(address, time).map(([a, t]) => confirm(a, t)) },
);

/** Gives a history names of its own, fewer than the generator has: denser histories have more collisions. */
export function renamed<E extends ContactEvent>(event: E, history: number): E {
  const dense = (text: string): string => {
    if (history % 3 === 0) return text;
    const fewer = { c: 'a', d: 'b', e: history % 3 === 1 ? 'c' : 'a', f: 'b' }[text[0] as string] ?? text[0];
    return `${fewer}${text.slice(1)}`;
  };
  const addressOf = (text: string): string => `${dense(text).replace('@', `.${history}@`)}`;
  const uid = (text: string): string => {
    const number = Number(Buffer.from(text, 'hex').toString().charAt(1));
    const fewer = history % 3 === 2 ? (number % 3) + 1 : number;
    return `${history.toString(16).padStart(6, '0')}${fewer}`.padEnd(32, '0');
  };
  const rename = { ...event, trigger: { ...event.trigger, id: `${history}|${event.trigger.id}` } };
  if (rename.kind !== 'newsletter') rename.uid = uid(rename.uid);
  if (rename.kind === 'claim') {
    rename.address = { key: addressOf(rename.address.key), typed: addressOf(rename.address.typed) };
  } else if (rename.kind === 'newsletter' && 'address' in rename.to) {
    const { key, typed } = rename.to.address;
    rename.to = { address: { key: addressOf(key), typed: addressOf(typed) } };
  }
  return rename;
}

/** The history that a renamed address or uid belongs to. */
export const historyOf = (key: string): number =>
  key.includes('@') ? Number(/\.(\d+)@/.exec(key)?.[1]) : Number.parseInt(key.slice(0, 6), 16);

export const history = (maxLength = 14): fc.Arbitrary<ContactEvent[]> =>
  fc.array(contactEvent, { minLength: 1, maxLength });

/** The same events in another order, some of them repeated, cut into batches. */
export const shuffledBatches = (events: ContactEvent[]): fc.Arbitrary<ContactEvent[][]> =>
  fc
    .tuple(
      fc.shuffledSubarray(events, { minLength: events.length }),
      fc.subarray(events, { maxLength: Math.min(4, events.length) }),
      fc.array(fc.boolean(), { minLength: events.length + 4, maxLength: events.length + 4 }),
    )
    .map(([order, again, cuts]) => {
      const batches: ContactEvent[][] = [[]];
      for (const [i, event] of [...order, ...again].entries()) {
        if (cuts[i]) batches.push([]);
        (batches.at(-1) as ContactEvent[]).push(event);
      }
      return batches;
    });

/** Every order of some events. */
export function* permutations<T>(items: readonly T[]): Iterable<T[]> {
  if (items.length <= 1) yield [...items];
  for (const [i, item] of items.entries()) {
    for (const rest of permutations([...items.slice(0, i), ...items.slice(i + 1)])) yield [item, ...rest];
  }
}
