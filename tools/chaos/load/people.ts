/**
 * Small groups of people whose accounts and addresses collide. A group has few accounts, addresses and event times, so
 * that equal times and taken addresses are common; there are many groups, so that the load spreads over the tables.
 */
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../../src/rabbitmq/names';
import { Random } from '../../random';
import type { Message } from './message';

const EPOCH = Date.UTC(2024, 0, 1);
const MINUTE = 60_000;
/** Event times are at most this many minutes after the group's first. */
const MOMENTS = 12;
const NEWSLETTERS = ['privacy-weekly', 'developer-news', 'about-us', 'x'];
const TYPE_PREFIX = 'https://schemas.accounts.firefox.com/event/';

type Body = Record<string, unknown>;

/** A group's messages in the order of sending, which is mostly that of their times. */
export function messagesOfGroup(seed: number, number: number): Message[] {
  return new Group(new Random(seed, 'household', number), `h${number}.s${seed}.test`, number).messages();
}

class Group {
  readonly #uids: string[];
  readonly #addresses: string[];
  readonly #messages: Message[] = [];

  constructor(
    private readonly random: Random,
    domain: string,
    private readonly number: number,
  ) {
    this.#uids = Array.from({ length: 4 }, () => random.hex(32));
    this.#addresses = ['ada', 'b.b', 'c+tag', 'dora', 'eve'].map((name) => `${name}@${domain}`);
  }

  messages(): Message[] {
    this.random.pick(STORIES)(this);
    const random = this.random;
    for (let left = random.below(8); left > 0; left--) this.anything();
    return random.chance(0.3) ? random.shuffled(this.#messages) : this.#messages;
  }

  verified(u: number, a: number, t: number): this {
    const { random } = this;
    return this.#account('verified', u, t, {
      email: this.#typed(a),
      locale: random.pick([null, 'de-AT,de;q=0.7', 'fr-CA,fr;q=0.5', 'en-US']),
      service: 'sync',
      ...(random.chance(0.4) && { newsletters: this.#names(0) }),
      ...(random.chance(0.4) && { countryCode: random.pick(['AT', 'CA', 'US']) }),
    });
  }

  primary(u: number, a: number, t: number): this {
    const { random } = this;
    const name = random.weighted([
      [7, 'primaryEmailChanged'],
      [2, 'login'],
      [1, 'newsletters:update'],
    ] as const);
    if (random.chance(0.1)) return this.#token('profile-change', u, t, { email: this.#typed(a) });
    const more = name === 'newsletters:update' ? { newsletters: this.#names(0), locale: 'de' } : {};
    return this.#account(name, u, t, { email: this.#typed(a), ...more });
  }

  deleted(u: number, t: number): this {
    if (this.random.chance(0.2)) return this.#token('delete-user', u, t, {});
    return this.#account('delete', u, t, {});
  }

  signUp(a: number, t: number, optin = false): this {
    const { random } = this;
    const profile = {
      ...(random.chance(0.3) && { first_name: random.pick(['Ada', 'Bea', null]) }),
      ...(random.chance(0.3) && { lang: random.pick(['fr', 'de', 'pt-BR', null]) }),
      ...(random.chance(0.3) && { country: random.pick(['fr', 'de', 'zz']) }),
      ...(random.chance(0.3) && { format: random.pick(['H', 'T']) }),
    };
    const newsletters = this.#names(0);
    const [waitlist] = newsletters;
    const fields = waitlist !== undefined && random.chance(0.2) && { fields: { [waitlist]: { geo: 'de' } } };
    const source_url = 'https://site.test/newsletter/';
    return this.#newsletter('newsletter.subscribe', a, t, {
      newsletters,
      optin,
      source_url,
      ...profile,
      ...fields,
    });
  }

  unsubscribe(a: number, t: number): this {
    return this.#newsletter('newsletter.unsubscribe', a, t, { newsletters: this.#names(1), reason: 'too many' });
  }

  optOut(a: number, t: number): this {
    return this.#newsletter('newsletter.unsubscribe', a, t, { all: true });
  }

  exactly(a: number, t: number): this {
    const among = this.random.chance(0.5) ? { among: this.#names(1) } : {};
    return this.#newsletter('newsletter.set', a, t, { newsletters: this.#names(0), ...among });
  }

  because(a: number, t: number): this {
    return this.#newsletter('newsletter.reason', a, t, { reason: 'not for me', newsletters: this.#names(0) });
  }

  confirm(a: number, t: number): this {
    return this.#newsletter('newsletter.confirm', a, t, {});
  }

  anything(): void {
    const { random } = this;
    const [u, a, t] = [random.below(3), random.below(5), 1 + random.below(MOMENTS)];
    random.weighted([
      [6, () => this.primary(u, a, t)],
      [1, () => this.verified(u, a, t)],
      [1, () => this.deleted(u, t)],
      [4, () => this.signUp(a, t, random.chance(0.3))],
      [1, () => this.unsubscribe(a, t)],
      [1, () => this.exactly(a, t)],
      [1, () => this.because(a, t)],
      [1, () => this.optOut(a, t)],
      [1, () => this.confirm(a, t)],
    ])();
  }

  #at = (t: number): number => EPOCH + ((this.number % 100_000) + t) * MINUTE;

  /** An address as typed: sometimes in upper case or between spaces. */
  #typed(a: number): string {
    const address = this.#addresses[a] as string;
    return this.random.weighted([
      [8, address],
      [1, address.toUpperCase()],
      [1, ` ${address} `],
    ]);
  }

  #names(least: number): string[] {
    return this.random.shuffled(NEWSLETTERS).slice(0, least + this.random.below(3));
  }

  #account(event: string, u: number, t: number, fields: Body): this {
    const timestamp = this.#at(t);
    const flat = { event, uid: this.#uids[u], iss: 'accounts.fxa.test', timestamp, ts: timestamp / 1000, ...fields };
    const { event: _, ...data } = flat;
    const body = this.random.weighted<() => Body>([
      [8, () => flat],
      [1, () => ({ MessageId: this.random.uuid(), Message: JSON.stringify(flat) })],
      [1, () => ({ event, data })],
    ])();
    return this.#send(FXA_EVENTS, event.replace(':', '.'), event, body);
  }

  #token(type: string, u: number, t: number, payload: Body): this {
    const events = { [TYPE_PREFIX + type]: payload };
    const body = {
      iss: 'https://accounts.test/',
      sub: this.#uids[u],
      iat: this.#at(t) / 1000,
      jti: this.random.uuid(),
    };
    return this.#send(FXA_EVENTS, type, type, { ...body, aud: 'onecontact', events });
  }

  #newsletter(event: string, a: number, t: number, fields: Body): this {
    const kind = fields.all === true ? 'newsletter.unsubscribe all' : event;
    const body = { event, id: this.random.uuid(), ts: this.#at(t) / 1000, email: this.#typed(a), ...fields };
    return this.#send(NEWSLETTER_EVENTS, event, kind, body);
  }

  #send(exchange: string, key: string, kind: string, body: Body): this {
    this.#messages.push({ id: this.random.uuid(), exchange, key, kind, is: 'event', content: JSON.stringify(body) });
    return this;
  }
}

/** The two workflows of the design, and similar ones. Random events follow each. */
const STORIES: ((group: Group) => void)[] = [
  function signUpFirst(group) {
    group.verified(0, 0, 1).signUp(1, 3).primary(0, 1, 5);
  },
  function signUpFirstOnBothSides(group) {
    group.signUp(0, 1).verified(0, 0, 2).signUp(1, 3, true).unsubscribe(1, 4).primary(0, 1, 6);
  },
  function changeFirst(group) {
    group.verified(0, 0, 1).primary(0, 1, 2).signUp(1, 4);
  },
  function accountCreatedAgain(group) {
    group.verified(0, 0, 1).signUp(0, 2).optOut(0, 3).deleted(0, 5).verified(1, 0, 7);
  },
  function severalJoin(group) {
    group.signUp(0, 1).signUp(1, 2).signUp(2, 3).verified(0, 0, 4).primary(0, 1, 5).primary(0, 2, 6);
  },
  function oneAddressTwoAccounts(group) {
    group.verified(0, 0, 1).signUp(0, 3).verified(1, 0, 5).primary(0, 1, 7);
  },
  function swap(group) {
    group.verified(0, 0, 1).verified(1, 1, 1).signUp(0, 2).primary(0, 1, 4).primary(1, 0, 4);
  },
  function deletedBeforeItsAddressIsTaken(group) {
    group.signUp(1, 1).verified(0, 1, 2).deleted(0, 4).verified(1, 0, 5).primary(1, 1, 6);
  },
];
