/**
 * What happens to people: small households in which accounts and addresses collide all the time. Few accounts, few
 * addresses and few moments, so that equal times and taken addresses are the rule; many households, so that the load
 * spreads over the tables as real people do.
 */

import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { Random } from '../random';
import type { Message } from './message';

const EPOCH = Date.UTC(2024, 0, 1);
const MINUTE = 60_000;
/** Event times of a household are these many minutes from its own beginning. */
const MOMENTS = 12;
const NEWSLETTERS = ['privacy-weekly', 'developer-news', 'about-us', 'x'];
const TYPE_PREFIX = 'https://schemas.accounts.firefox.com/event/';

type Body = Record<string, unknown>;

/** The messages of one household, in the order in which they are sent: mostly that of their times. */
export function household(seed: number, number: number): Message[] {
  return new Household(new Random(seed, 'household', number), `h${number}.s${seed}.test`, number).messages();
}

class Household {
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

  // What the account service says.

  verified(u: number, a: number, t: number): void {
    const { random } = this;
    this.#account('verified', u, t, {
      email: this.#typed(a),
      locale: random.pick([null, 'de-AT,de;q=0.7', 'fr-CA,fr;q=0.5', 'en-US']),
      service: 'sync',
      ...(random.chance(0.4) && { newsletters: this.#names(0) }),
      ...(random.chance(0.4) && { countryCode: random.pick(['AT', 'CA', 'US']) }),
    });
  }

  primary(u: number, a: number, t: number): void {
    const { random } = this;
    const name = random.weighted([
      [7, 'primaryEmailChanged'],
      [2, 'login'],
      [1, 'newsletters:update'],
    ] as const);
    if (random.chance(0.1)) {
      this.#token('profile-change', u, t, { email: this.#typed(a) });
      return;
    }
    const more = name === 'newsletters:update' ? { newsletters: this.#names(0), locale: 'de' } : {};
    this.#account(name, u, t, { email: this.#typed(a), ...more });
  }

  deleted(u: number, t: number): void {
    if (this.random.chance(0.2)) this.#token('delete-user', u, t, {});
    else this.#account('delete', u, t, {});
  }

  // What the sites say.

  signUp(a: number, t: number, optin = false): void {
    const { random } = this;
    const profile = {
      ...(random.chance(0.3) && { first_name: random.pick(['Ada', 'Bea', null]) }),
      ...(random.chance(0.3) && { lang: random.pick(['fr', 'de', 'pt-BR', null]) }),
      ...(random.chance(0.3) && { country: random.pick(['fr', 'de', 'zz']) }),
      ...(random.chance(0.3) && { format: random.pick(['H', 'T']) }),
    };
    const source_url = 'https://site.test/newsletter/';
    this.#newsletter('newsletter.subscribe', a, t, { newsletters: this.#names(0), optin, source_url, ...profile });
  }

  unsubscribe(a: number, t: number): void {
    this.#newsletter('newsletter.unsubscribe', a, t, { newsletters: this.#names(1), reason: 'too many' });
  }

  optOut(a: number, t: number): void {
    this.#newsletter('newsletter.unsubscribe', a, t, { all: true });
  }

  confirm(a: number, t: number): void {
    this.#newsletter('newsletter.confirm', a, t, {});
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
      [1, () => this.optOut(a, t)],
      [1, () => this.confirm(a, t)],
    ])();
  }

  #at = (t: number): number => EPOCH + ((this.number % 100_000) + t) * MINUTE;

  /** The same address, now and then in another letter case or with spaces around. */
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

  #account(event: string, u: number, t: number, fields: Body): void {
    const timestamp = this.#at(t);
    const flat = { event, uid: this.#uids[u], iss: 'accounts.fxa.test', timestamp, ts: timestamp / 1000, ...fields };
    const { event: _, ...data } = flat;
    const body = this.random.weighted<() => Body>([
      [8, () => flat],
      [1, () => ({ MessageId: this.random.uuid(), Message: JSON.stringify(flat) })],
      [1, () => ({ event, data })],
    ])();
    this.#send(FXA_EVENTS, event.replace(':', '.'), event, body);
  }

  #token(type: string, u: number, t: number, payload: Body): void {
    const events = { [TYPE_PREFIX + type]: payload };
    const body = {
      iss: 'https://accounts.test/',
      sub: this.#uids[u],
      iat: this.#at(t) / 1000,
      jti: this.random.uuid(),
    };
    this.#send(FXA_EVENTS, type, type, { ...body, aud: 'onecontact', events });
  }

  #newsletter(event: string, a: number, t: number, fields: Body): void {
    const kind = fields.all === true ? 'newsletter.unsubscribe all' : event;
    const body = { event, id: this.random.uuid(), ts: this.#at(t) / 1000, email: this.#typed(a), ...fields };
    this.#send(NEWSLETTER_EVENTS, event, kind, body);
  }

  #send(exchange: string, key: string, kind: string, body: Body): void {
    this.#messages.push({ id: this.random.uuid(), exchange, key, kind, is: 'event', content: JSON.stringify(body) });
  }
}

/** Those of design.md, section 1, and what is near to them. Each is followed by some of anything. */
const STORIES: ((home: Household) => void)[] = [
  function signUpFirst(home) {
    home.verified(0, 0, 1);
    home.signUp(1, 3);
    home.primary(0, 1, 5);
  },
  function signUpFirstOnBothSides(home) {
    home.signUp(0, 1);
    home.verified(0, 0, 2);
    home.signUp(1, 3, true);
    home.unsubscribe(1, 4);
    home.primary(0, 1, 6);
  },
  function changeFirst(home) {
    home.verified(0, 0, 1);
    home.primary(0, 1, 2);
    home.signUp(1, 4);
  },
  function madeAnew(home) {
    home.verified(0, 0, 1);
    home.signUp(0, 2);
    home.optOut(0, 3);
    home.deleted(0, 5);
    home.verified(1, 0, 7);
  },
  function severalJoin(home) {
    for (const a of [0, 1, 2]) home.signUp(a, 1 + a);
    home.verified(0, 0, 4);
    home.primary(0, 1, 5);
    home.primary(0, 2, 6);
  },
  function oneAddressTwoAccounts(home) {
    home.verified(0, 0, 1);
    home.signUp(0, 3);
    home.verified(1, 0, 5);
    home.primary(0, 1, 7);
  },
  function swap(home) {
    home.verified(0, 0, 1);
    home.verified(1, 1, 1);
    home.signUp(0, 2);
    home.primary(0, 1, 4);
    home.primary(1, 0, 4);
  },
  function deletedBeforeItsAddressIsTaken(home) {
    home.signUp(1, 1);
    home.verified(0, 1, 2);
    home.deleted(0, 4);
    home.verified(1, 0, 5);
    home.primary(1, 1, 6);
  },
];
