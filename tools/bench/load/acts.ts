/** What people do, and the message that a producer sends for it. */
import { randomUUID } from 'node:crypto';
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../../src/rabbitmq/names';
import { addressOf, uidOf } from './people';
import type { Population } from './population';

export const ACT_KINDS = ['new', 'known', 'verified', 'login', 'changed', 'collision'] as const;
export type ActKind = (typeof ACT_KINDS)[number];

export interface Act {
  kind: ActKind;
  /** The number of the person whose address it is. */
  reader: number;
  /** That of the account's owner, in account events. */
  account: number;
  at: number;
  newsletters: string[];
}

export interface Message {
  exchange: string;
  routingKey: string;
  body: Record<string, unknown>;
}

/** Live contacts and live tokens; of all else, the rows. */
export interface Rows {
  addresses: number;
  accounts: number;
  claims: number;
  choices: number;
  contacts: number;
  tokens: number;
  merges: number;
}

const NEWSLETTERS: readonly (readonly [readonly string[], number])[] = [
  [['privacy-weekly'], 1],
  [['privacy-weekly', 'about-tests'], 1],
];

export function makeAct(kind: ActKind, people: Population): Act {
  const at = people.moment();
  switch (kind) {
    case 'new':
    case 'known': {
      const reader = kind === 'new' ? people.someNew() : people.someReader();
      return { kind, at, reader, account: reader, newsletters: [...people.pick(NEWSLETTERS)] };
    }
    case 'verified': {
      const reader = people.someNew();
      return { kind, at, reader, account: reader, newsletters: ['privacy-weekly'] };
    }
    case 'login': {
      const account = people.someAccount();
      return { kind, at, reader: account, account, newsletters: [] };
    }
    case 'changed':
      return { kind, at, reader: people.someNew(), account: people.someChanging(), newsletters: [] };
    case 'collision':
      return { kind, at, ...people.someCollision(), newsletters: [] };
  }
}

const FXA_EVENT = {
  verified: 'verified',
  login: 'login',
  changed: 'primaryEmailChanged',
  collision: 'primaryEmailChanged',
} as const;

export function messageOf({ kind, at, reader, account, newsletters }: Act): Message {
  const email = addressOf(reader);
  if (kind === 'new' || kind === 'known') {
    const event = 'newsletter.subscribe';
    const profile = { lang: 'fr', country: 'fr', format: 'H', first_name: `Ada ${reader}`, last_name: 'L' };
    const source_url = 'https://site.test/fr/newsletter/';
    const id = randomUUID(); // as the sites send it; for tracing only
    const body = { event, id, ts: at / 1_000, email, newsletters, ...profile, source_url, optin: false };
    return { exchange: NEWSLETTER_EVENTS, routingKey: event, body };
  }
  const event = FXA_EVENT[kind];
  const common = { event, uid: uidOf(account), email, iss: 'accounts.test', timestamp: at, ts: at / 1_000 };
  const more = kind === 'verified' ? { locale: 'fr-FR,fr;q=0.9', service: 'sync', countryCode: 'FR', newsletters } : {};
  return { exchange: FXA_EVENTS, routingKey: event, body: { ...common, metricsContext: {}, ...more } };
}

/** The rows that each kind of act adds; choices come on top. */
const ADDED: Record<ActKind, Partial<Rows>> = {
  new: { addresses: 1, contacts: 1, tokens: 1 },
  known: {},
  verified: { addresses: 1, accounts: 1, claims: 1, contacts: 1, tokens: 1 },
  login: { claims: 1 },
  changed: { addresses: 1, claims: 1 },
  collision: { claims: 1, contacts: -1, tokens: -1, merges: 1 },
};

export function rowsOf(acts: readonly Act[]): Rows {
  const rows: Rows = { addresses: 0, accounts: 0, claims: 0, choices: 0, contacts: 0, tokens: 0, merges: 0 };
  for (const { kind, newsletters } of acts) {
    for (const [table, added] of Object.entries(ADDED[kind])) rows[table as keyof Rows] += added;
    rows.choices += newsletters.length;
  }
  return rows;
}
