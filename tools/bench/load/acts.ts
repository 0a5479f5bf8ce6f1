/** The acts of readers, the message that a producer sends for each, and the rows that it adds. */
import { randomUUID } from 'node:crypto';
import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../../src/rabbitmq/names';
import { addressOf, type Population, uidOf } from './people';

export type ActKind =
  | 'new'
  | 'known'
  | 'unsubscribe'
  | 'verified'
  | 'login'
  | 'changed'
  | 'collision'
  | 'ignored'
  | 'circle-login'
  | 'circle-taken'
  | 'circle-new';

export interface Act {
  kind: ActKind;
  /** The number of the person who has the address. */
  reader: number;
  /** The number of the account's owner; meaningful in account events. */
  account: number;
  at: number;
  newsletters: string[];
}

export interface Message {
  exchange: string;
  routingKey: string;
  headers?: Record<string, unknown>;
  body: Record<string, unknown>;
}

/** Numbers of rows; of contacts and tokens, only live ones count. */
export interface Rows {
  addresses: number;
  accounts: number;
  claims: number;
  choices: number;
  contacts: number;
  tokens: number;
  merges: number;
}

export function makeAct(kind: ActKind, people: Population): Act {
  const act = { kind, at: people.time(), newsletters: [] };
  switch (kind) {
    case 'new':
    case 'known': {
      const reader = kind === 'new' ? people.newReader() : people.knownReader();
      const newsletters = people.hasTwoNewsletters() ? ['privacy-weekly', 'about-tests'] : ['privacy-weekly'];
      return { ...act, reader, account: reader, newsletters };
    }
    case 'unsubscribe': {
      const reader = people.knownReader();
      return { ...act, reader, account: reader, newsletters: ['about-tests'] };
    }
    case 'verified': {
      const reader = people.newReader();
      return { ...act, reader, account: reader, newsletters: ['privacy-weekly'] };
    }
    case 'login':
    case 'ignored': {
      const account = people.knownAccount();
      return { ...act, reader: account, account };
    }
    case 'changed':
      return { ...act, reader: people.newReader(), account: people.changingAccount() };
    case 'collision':
      return { ...act, ...people.collision() };
    case 'circle-login':
      return { ...act, ...people.inCircle('own') };
    case 'circle-taken':
      return { ...act, ...people.inCircle('taken') };
    case 'circle-new':
      return { ...act, ...people.inCircle('new') };
  }
}

/** The sign-ups and unsubscriptions of readers; all other acts are account events. */
export const isByReader = (kind: ActKind): kind is 'new' | 'known' | 'unsubscribe' =>
  kind === 'new' || kind === 'known' || kind === 'unsubscribe';

const FXA_EVENT = {
  verified: 'verified',
  login: 'login',
  changed: 'primaryEmailChanged',
  collision: 'primaryEmailChanged',
  ignored: 'passwordChange',
  'circle-login': 'login',
  'circle-taken': 'primaryEmailChanged',
  'circle-new': 'primaryEmailChanged',
} as const;

export function messageOf({ kind, at, reader, account, newsletters }: Act): Message {
  const email = addressOf(reader);
  if (kind === 'unsubscribe') {
    const event = 'newsletter.unsubscribe';
    const body = { event, id: randomUUID(), ts: at / 1_000, email, newsletters };
    return { exchange: NEWSLETTER_EVENTS, routingKey: event, body };
  }
  if (isByReader(kind)) {
    const event = 'newsletter.subscribe';
    const profile = { lang: 'fr', country: 'fr', format: 'H', first_name: `Ada ${reader}`, last_name: 'L' };
    const source_url = 'https://site.test/fr/newsletter/';
    const id = randomUUID(); // sites send one, for tracing
    const body = { event, id, ts: at / 1_000, email, newsletters, ...profile, source_url, optin: false };
    return { exchange: NEWSLETTER_EVENTS, routingKey: event, body };
  }
  const event = FXA_EVENT[kind];
  const common = { event, uid: uidOf(account), email, iss: 'accounts.test', timestamp: at, ts: at / 1_000 };
  const more = kind === 'verified' ? { locale: 'fr-FR,fr;q=0.9', service: 'sync', countryCode: 'FR', newsletters } : {};
  return { exchange: FXA_EVENTS, routingKey: event, body: { ...common, metricsContext: {}, ...more } };
}

/** The rows that each kind of act adds, beside its choices. */
const ADDED: Record<ActKind, Partial<Rows>> = {
  new: { addresses: 1, contacts: 1, tokens: 1 },
  known: {},
  unsubscribe: {},
  ignored: {},
  verified: { addresses: 1, accounts: 1, claims: 1, contacts: 1, tokens: 1 },
  login: { claims: 1 },
  changed: { addresses: 1, claims: 1 },
  collision: { claims: 1, contacts: -1, tokens: -1, merges: 1 },
  'circle-login': { claims: 1 },
  'circle-taken': { claims: 1 },
  'circle-new': { addresses: 1, claims: 1 },
};

export function rowsOf(acts: readonly Act[]): Rows {
  const rows: Rows = { addresses: 0, accounts: 0, claims: 0, choices: 0, contacts: 0, tokens: 0, merges: 0 };
  for (const { kind, newsletters } of acts) {
    for (const [table, added] of Object.entries(ADDED[kind])) rows[table as keyof Rows] += added;
    rows.choices += newsletters.length;
  }
  return rows;
}
