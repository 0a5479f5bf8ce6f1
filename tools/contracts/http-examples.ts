/** Examples of every HTTP answer. A test validates each by its schema. */
import type {
  ChangesAnswer,
  ErrorBody,
  HistoryBody,
  IntakeAnswer,
  IntakeRequest,
  LookupAnswer,
  LookupRequest,
  PreferencesBody,
  SecurityEventRefusal,
} from '../../src/messages/http/schemas';
import type { ContactBody } from '../../src/messages/outgoing/contact-schema';

export const UID = '9f3c1a7be2d84c06b5a1e0774cd2f8aa';
export const TOKEN = '4c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11';
export const CONTACT_ID = '019be0a0-2222-7333-8444-555555555555';

export const CONTACT = {
  contact_id: CONTACT_ID,
  account_id: UID,
  primary_email: 'Ada@mail.test',
  basket_token: TOKEN,
  version: 4,
  created_at: '2026-01-21T12:55:24.000Z',
  updated_at: '2026-01-22T08:00:00.250Z',
  emails: [
    { address: 'Ada@mail.test', primary: true, verified: true },
    { address: 'ada@work.test', primary: false, verified: true },
  ],
  addresses: ['ada@mail.test', 'ada@work.test'],
  first_name: 'Ada',
  last_name: null,
  country: 'fr',
  lang: 'fr',
  format: 'H',
  opted_out: false,
  opted_out_at: null,
  opt_out_reason: null,
  double_opt_in: true,
  mailable: true,
  account_profile: { created_at: '2026-01-20T09:00:00.000Z', first_service: 'sync', locale: 'fr-FR,fr;q=0.9' },
  newsletters: {
    'privacy-weekly': {
      state: 'subscribed',
      since: '2026-01-21T12:55:23.456Z',
      pending: false,
      source: 'https://site.test/fr/newsletter/',
      lang: 'fr',
      format: 'H',
      reason: null,
      fields: null,
    },
    hacks: {
      state: 'unsubscribed',
      since: '2026-01-22T07:59:59.000Z',
      pending: false,
      source: null,
      lang: null,
      format: null,
      reason: 'Too many mails',
      fields: null,
    },
  },
} satisfies ContactBody;

export const RETIRED_ID = '019be0a0-3333-7333-8444-555555555555';
export const MERGE_ID = '019be0a1-6d0e-7f0e-8a55-2a2f5f0c7e11';

export const LOOKUP = { keys: [{ email: 'ada@mail.test' }, { email: 'new@mail.test' }] } satisfies LookupRequest;

export const LOOKED_UP = { contacts: [CONTACT, null] } satisfies LookupAnswer;

export const HISTORY = {
  contact_id: CONTACT_ID,
  next: null,
  merges: [
    {
      merge_id: MERGE_ID,
      merged_at: '2026-01-21T12:55:24.000Z',
      reason: 'claim',
      trigger: { source: 'fxa', event: 'primaryEmailChanged', event_time: '2026-01-21T12:55:23.456Z' },
      survivor_contact_id: CONTACT_ID,
      retired_contact_id: RETIRED_ID,
      addresses: ['ada@mail.test'],
      token: { policy: 'address', reason: 'held_primary_address' },
      undone_at: null,
    },
  ],
} satisfies HistoryBody;

export const CURSOR = 'AQ0-W1JtDk8OilUqL18MfhEAAAAAAAFI8wGY86J6QH0bjQJvLwpbnDNQib-M';

export const CHANGES = {
  changes: [
    { contact: CONTACT },
    { tombstone: { contact_id: RETIRED_ID, kind: 'merged', survivor_contact_id: CONTACT_ID } },
    { tombstone: { contact_id: '019be0a0-4444-7333-8444-555555555555', kind: 'erased' } },
  ],
  next: CURSOR,
  has_more: false,
} satisfies ChangesAnswer;

export const PREFERENCES = {
  email: 'A***@m***.test',
  newsletters: {
    'privacy-weekly': { state: 'subscribed', pending: false },
    hacks: { state: 'unsubscribed', pending: false },
  },
  lang: 'fr',
  country: 'fr',
  format: 'H',
} satisfies PreferencesBody;

export const SIGN_UP = {
  event: 'newsletter.subscribe',
  email: 'ada@mail.test',
  newsletters: ['privacy-weekly'],
  lang: 'fr',
  source_url: 'https://site.test/fr/newsletter/',
} satisfies IntakeRequest;

const EVENT = { id: '0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11', ts: 1769000100.25 };

export const TAKEN = { events: [EVENT], warnings: [] } satisfies IntakeAnswer;

export const REFUSED_TOKEN = {
  err: 'invalid_audience',
  description: 'aud: does not name this recipient',
} satisfies SecurityEventRefusal;

const error = (code: number, desc: string, more: Partial<ErrorBody> = {}): ErrorBody => ({
  status: 'error',
  code,
  desc,
  ...more,
});

export const USER_NOT_FOUND = error(4, 'User not found');
export const NOT_AUTHORISED = error(7, 'A valid API key is required');
export const MISSING_SCOPE = error(7, 'This API key lacks the scope read');
export const BUSY = error(99, 'Too busy, or the database is away: try again');
export const FAILED = error(99, 'Something went wrong here');
export const NOT_JSON = error(99, 'The Content-Type must be application/json');
export const BAD_LIMIT = error(5, 'limit must be a whole number from 1 to 500');
export const BAD_CURSOR = error(5, 'after must be a cursor: the value of next in an earlier answer');
export const GONE = error(
  5,
  'The cursor is from before a restore of the database: read everything again, without after, then delete the contacts that were not in it',
);
export const TOO_LARGE = error(5, 'keys: must be a list of at most 500 keys');
export const TOO_OFTEN = error(99, 'Too many requests from this address: try again later');
export const MALFORMED = error(5, 'The body is malformed: see problems', {
  problems: [
    { place: 'keys[0].email', problem: 'must be an email address' },
    { place: 'keys[2].token', problem: 'must be a uuid' },
  ],
});

export const MALFORMED_EVENTS = error(5, 'The body is malformed: see problems', {
  problems: [
    { place: '[3].ts', problem: 'is missing' },
    { place: '[7].newsletters[0]', problem: 'must be a string' },
  ],
});
export const UNPROVEN = error(7, 'This API key lacks the scope vouch', {
  problems: [{ place: '[2]', problem: 'proves consent, for which the key needs the scope vouch' }],
});
export const TOO_MANY_EVENTS = error(5, 'The list must have at most 500 messages');
export const BROKER_AWAY = error(
  99,
  'The broker accepts no messages now: send the same again, with the times in events; messages that were already accepted do no harm',
  { events: [EVENT] },
);
export const NOT_TOKEN = error(
  99,
  'Send the token as a body of the type application/secevent+jwt, or as a bearer token without a body',
);
export const TOKEN_TOO_LARGE = error(5, 'The body is too large');
export const ACCOUNTS_AWAY = error(
  99,
  'The broker is away, or the keys of the issuer cannot be read: send the token again',
);

export const HEALTHY = { status: 'ok', checks: { service: 'ok', database: 'ok', relay: 'ok' }, details: {} };
export const UNHEALTHY = {
  status: 'error',
  checks: { service: 'ok', database: 'error', relay: 'ok' },
  details: {
    database: {
      status: 'error',
      level: 40,
      messages: { 'onecontact.database': 'The database does not answer: see DATABASE_URL.' },
    },
  },
};
export const VERSION = {
  source: 'https://github.com/example/onecontact',
  version: '0.1.0',
  commit: '6a2fd79c0f3b4f1c8e0d5a3b2c1d0e9f8a7b6c5d',
  build: 'https://ci.example/builds/7',
};

export const INDEX = {
  name: 'OneContact',
  description: 'One contact record per person. Paths without a leading slash are files of its sources.',
  version: '0.1.0',
  links: {
    health: '/__heartbeat__',
    version: '/__version__',
    metrics: '/metrics',
    reference: 'docs/reference/http.md',
    openapi: 'contracts/openapi.json',
  },
};
