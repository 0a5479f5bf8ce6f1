/** Short names for the events of tests: `acct(u, a, t)` is a claim, `signup(a, list, t)` a sign-up, and so on. */
import type { ClaimEvent, DeletionEvent, NewsletterEvent, Profile } from '../../src/contacts/facts/event';
import { refusedBy } from '../../src/contacts/facts/refused';

/** Test times are small numbers: seconds after this moment. */
export const EPOCH = Date.UTC(2026, 0, 1);
export const at = (t: number): number => EPOCH + t * 1000;

/**
 * `u1` as 32 hexadecimal digits, so that the same event can be sent through the decoders. Uids sort like their names, and
 * differ in their first digits, as real ones do.
 */
export const uidOf = (name: string): string => Buffer.from(name).toString('hex').padEnd(32, '0');

export const addressOf = (name: string) => {
  const typed = name.includes('@') ? name : `${name}@mail.test`;
  return { key: typed.toLowerCase(), typed };
};

const trigger = (source: 'fxa' | 'newsletter', event: string, ...parts: unknown[]) => ({
  source,
  event,
  id: [event, ...parts].join('|'),
});

export function acct(u: string, a: string, t: number, more: Partial<ClaimEvent> = {}): ClaimEvent {
  const [uid, address] = [uidOf(u), addressOf(a)];
  const event = t === 0 || more.newsletters ? 'verified' : 'primaryEmailChanged';
  return { kind: 'claim', trigger: trigger('fxa', event, u, a, t), at: at(t), uid, address, newsletters: [], ...more };
}

/** A claim by an event that seldom moves an address. */
export const login = (u: string, a: string, t: number): ClaimEvent =>
  acct(u, a, t, { trigger: trigger('fxa', 'login', u, a, t) });

export function del(u: string, t: number): DeletionEvent {
  return { kind: 'deletion', trigger: trigger('fxa', 'delete', u, t), at: at(t), uid: uidOf(u) };
}

type To = string | { token: string };

function newsletter(
  to: To,
  act: NewsletterEvent['act'],
  names: string[],
  t: number,
  proven: boolean,
  profile: Profile = {},
): NewsletterEvent {
  const event = {
    subscribe: 'newsletter.subscribe',
    unsubscribe: 'newsletter.unsubscribe',
    opt_out: 'newsletter.unsubscribe',
    confirm: 'newsletter.confirm',
    set: 'newsletter.set',
    reason: 'newsletter.reason',
  }[act];
  const where = typeof to === 'string' ? { address: addressOf(to) } : to;
  const id = trigger('newsletter', event, JSON.stringify(where), act, names, t, proven, JSON.stringify(profile));
  return { kind: 'newsletter', trigger: id, at: at(t), to: where, act, newsletters: names, proven, profile };
}

export const signup = (
  to: To,
  names: string[],
  t: number,
  more: { optin?: boolean; profile?: Profile } = {},
): NewsletterEvent => newsletter(to, 'subscribe', names, t, more.optin ?? false, more.profile);
export const unsub = (to: To, names: string[], t: number): NewsletterEvent =>
  newsletter(to, 'unsubscribe', names, t, false);
export const optout = (to: To, t: number): NewsletterEvent => newsletter(to, 'opt_out', [], t, false);
export const confirm = (to: To, t: number, proven = true): NewsletterEvent => newsletter(to, 'confirm', [], t, proven);

/** Exactly these newsletters, of all or of those `among` which the reader chose. */
export function exactly(
  to: To,
  names: string[],
  t: number,
  { among, optin = false }: { among?: string[] | undefined; optin?: boolean } = {},
): NewsletterEvent {
  const event = newsletter(to, 'set', names, t, optin);
  const id = `${event.trigger.id}|${among}`;
  return { ...event, trigger: { ...event.trigger, id }, refused: refusedBy(names, among) };
}

/** Why the reader left, said afterwards. Without newsletters it is about all email. */
export function because(to: To, reason: string, names: string[], t: number): NewsletterEvent {
  const event = newsletter(to, 'reason', names, t, false);
  return { ...event, trigger: { ...event.trigger, id: `${event.trigger.id}|${reason}` }, reason };
}
