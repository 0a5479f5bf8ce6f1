/** Examples of every message. A test validates each, and decodes the incoming ones. */
import * as body from '../../src/messages/outgoing/schemas';

const UID = '9f3c1a7be2d84c06b5a1e0774cd2f8aa';
const TRACE = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
const KEPT = '4c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11';
const LOST = '5c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11';
const MERGE = '019be0a1-6d0e-7f0e-8a55-2a2f5f0c7e11';

export interface Example {
  name: string;
  /** What leads to the message, in order, in an empty database: events, and commands with `MERGE_ID`. A test does it. */
  after?: readonly Step[];
  headers?: Record<string, unknown>;
  payload: unknown;
}

export type Step = { event: object; headers?: Record<string, unknown> } | { command: string };

const common = { uid: UID, iss: 'accounts.fxa.test', timestamp: 1769000123456, ts: 1769000123.456, metricsContext: {} };
const flat = (event: string, fields: object = {}) => ({ event, ...common, ...fields });
const newsletter = (what: string, fields: object) => ({
  event: `newsletter.${what}`,
  id: '0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11',
  ts: 1769000100.25,
  ...fields,
});

const EMAIL = 'New.Name@mail.test';

export const SUBSCRIPTIONS: Example[] = [
  {
    name: 'An account is made, and two newsletters chosen in it',
    payload: flat('verified', {
      email: 'Ada.L@mail.test',
      locale: 'fr-FR,fr;q=0.9',
      service: 'sync',
      createDate: 1769000099.5,
      countryCode: 'FR',
      newsletters: ['privacy-weekly', 'hacks'],
    }),
  },
  {
    name: 'A newsletter chosen in the account later',
    payload: flat('newsletters:update', { email: 'Ada.L@mail.test', locale: null, newsletters: ['offers'] }),
  },
];

export const ADDRESS: Example[] = [
  { name: 'Another primary address', headers: TRACE, payload: flat('primaryEmailChanged', { email: EMAIL }) },
  { name: 'A login', payload: flat('login', { email: EMAIL, deviceCount: 2, countryCode: 'FR' }) },
];

export const PROFILE: Example[] = [
  { name: 'With the address', payload: flat('profileDataChange', { email: EMAIL }) },
  { name: 'Without it: ignored', payload: flat('profileDataChange', { totpEnabled: true }) },
];

export const DELETION: Example[] = [{ name: 'An account is deleted', payload: flat('delete') }];

export const WRAPPED: Example[] = [
  {
    name: 'From SNS to SQS without raw delivery',
    payload: {
      MessageId: '5c2d9b1e-1111-4222-8333-444455556666',
      Message: JSON.stringify(flat('primaryEmailChanged', { email: EMAIL })),
    },
  },
];

export const DATA: Example[] = [
  { name: 'As documented in 2026', payload: { event: 'primaryEmailChanged', data: { ...common, email: EMAIL } } },
];

const token = (type: string, payload: object) => ({
  iss: 'https://accounts.fxa.test/',
  sub: UID,
  aud: 'a-client-id',
  iat: 1769000123.9,
  jti: '5c2d9b1e-7777-4888-9999-000011112222',
  events: { [`https://schemas.accounts.firefox.com/event/${type}`]: payload },
});

export const TOKEN: Example[] = [
  { name: 'A change of profile that tells the address', payload: token('profile-change', { email: EMAIL }) },
  { name: 'An account is deleted', payload: token('delete-user', {}) },
];

export const SUBSCRIBE: Example[] = [
  {
    name: 'A sign-up',
    headers: TRACE,
    payload: newsletter('subscribe', {
      email: 'Ada.L@mail.test',
      newsletters: ['privacy-weekly'],
      lang: 'fr',
      country: 'fr',
      format: 'H',
      first_name: 'Ada',
      last_name: 'L',
      source_url: 'https://site.test/fr/newsletter/',
      optin: false,
    }),
  },
  {
    name: 'On a waitlist that asks for more',
    payload: newsletter('subscribe', {
      email: 'Ada.L@mail.test',
      newsletters: ['guardian-vpn-waitlist'],
      fields: { 'guardian-vpn-waitlist': { geo: 'de', platform: 'ios' } },
    }),
  },
  { name: 'Through the preference centre', payload: newsletter('subscribe', { token: KEPT, newsletters: ['hacks'] }) },
];

export const UNSUBSCRIBE: Example[] = [
  {
    name: 'From one newsletter',
    payload: newsletter('unsubscribe', { token: KEPT, newsletters: ['privacy-weekly'], reason: 'Too many mails' }),
  },
  { name: 'From all email', payload: newsletter('unsubscribe', { email: 'Ada.L@mail.test', all: true }) },
  { name: 'From every newsletter', payload: newsletter('unsubscribe', { email: 'Ada.L@mail.test', newsletters: '*' }) },
];

export const SET: Example[] = [
  {
    name: 'A preference page that shows three newsletters',
    payload: newsletter('set', {
      token: KEPT,
      newsletters: ['privacy-weekly'],
      among: ['privacy-weekly', 'hacks', 'offers'],
      source_url: 'https://site.test/fr/preferences/',
    }),
  },
  { name: 'No newsletter at all', payload: newsletter('set', { token: KEPT, newsletters: [] }) },
];

export const REASON: Example[] = [
  { name: 'After leaving', payload: newsletter('reason', { token: KEPT, reason: 'Too many mails' }) },
  {
    name: 'For one newsletter',
    payload: newsletter('reason', { token: KEPT, newsletters: ['privacy-weekly'], reason: 'Not for me' }),
  },
];

export const CONFIRM: Example[] = [
  { name: 'The link in the mail was clicked', payload: newsletter('confirm', { email: 'Ada.L@mail.test' }) },
];

const trigger = {
  source: 'fxa' as const,
  event: 'primaryEmailChanged',
  event_id: 'e6d0c639d34a0b9095b149070a38a7db44c0228900566cfde7cbce502f5cff1c',
  event_time: '2026-01-21T12:55:23.456Z',
};
const contact = {
  contact_id: '019be0a0-2222-7333-8444-555555555555',
  account_id: UID,
  primary_email: EMAIL,
  basket_token: KEPT,
  version: 2,
  first_name: 'Ada',
  country: 'fr',
  lang: 'fr',
  format: 'H',
  account_profile: { locale: 'fr-FR,fr;q=0.9' },
  opted_out: false,
  double_opt_in: true,
  mailable: true,
};
const other = {
  ...contact,
  contact_id: '019be0a0-3333-7333-8444-555555555555',
  account_id: null,
  account_profile: null,
  double_opt_in: false,
  mailable: false,
};
/** What the account alone says. */
const ofAccount = { ...contact, first_name: null, lang: 'fr-fr', format: null };
const signedUp = { state: 'subscribed' as const, since: '2026-01-21T12:54:20.000Z', lang: 'fr', format: 'H' };
const refused = { state: 'unsubscribed' as const, since: '2026-01-21T12:54:30.000Z', lang: null, format: null };
const inAccount = { state: 'subscribed' as const, since: '2026-01-21T12:54:10.000Z', lang: 'fr-fr', format: null };
const newsletters = { 'privacy-weekly': signedUp, offers: refused };

const out = (name: string, after: readonly Step[], payload: unknown): Example[] => [
  { name, after, headers: { 'schema-version': String(body.SCHEMA_VERSION) }, payload },
];
/** As {@link out}, for a message whose last event had a trace, which is passed on. */
const traced = (...args: Parameters<typeof out>): Example[] =>
  out(...args).map((example) => ({ ...example, headers: { ...example.headers, ...TRACE } }));

/** A time of an event, so many seconds before those of the other examples. */
const before = (seconds: number): { ts: number } => ({ ts: 1769000100 - seconds });
const account = (event: string, fields: object): Step => ({
  event: { event, uid: UID, ts: 1769000123.456, ...fields },
});
const last = (step: Step): Step => ({ ...step, headers: TRACE });

const PROFILE_OF_ADA = { lang: 'fr', country: 'fr', first_name: 'Ada' };
const MADE = account('verified', {
  ...before(50),
  email: 'Ada.L@mail.test',
  locale: 'fr-FR,fr;q=0.9',
  countryCode: 'FR',
  newsletters: ['offers'],
});
const MADE_WITH_EMAIL = account('verified', { ...before(50), email: EMAIL, locale: 'fr-FR,fr;q=0.9', newsletters: [] });
const SIGN_UP: Step = {
  event: newsletter('subscribe', {
    ...before(40),
    email: EMAIL,
    newsletters: ['privacy-weekly'],
    format: 'H',
    ...PROFILE_OF_ADA,
  }),
};
const REFUSED: Step = { event: newsletter('unsubscribe', { ...before(30), email: EMAIL, newsletters: ['offers'] }) };
const MOVED = last(account('primaryEmailChanged', { email: EMAIL }));
const MERGING = [MADE, SIGN_UP, REFUSED, MOVED];
const OTHER_ACCOUNT = last(account('verified', { uid: 'a'.repeat(32), email: EMAIL, newsletters: [] }));

export const MERGED = traced('The address of a sign-up turned out to be an account’s', MERGING, {
  merge_id: MERGE,
  merged_at: '2026-01-21T12:55:24.000Z',
  reason: 'claim',
  trigger,
  survivor: contact,
  retired: { contact_id: other.contact_id, account_id: null, addresses: ['new.name@mail.test'] },
  former_addresses: ['Ada.L@mail.test'],
  newsletters,
  newsletters_added: ['privacy-weekly'],
  newsletters_ended: ['offers'],
  token: { kept: KEPT, retired: LOST, policy: 'address', reason: 'held_primary_address' },
} satisfies body.ContactMerged);

export const UNMERGED = out(
  'The merge was taken back',
  [...MERGING, { command: 'onecontact merges undo "$MERGE_ID" --reason 4711 --yes' }],
  {
    merge_id: MERGE,
    unmerged_at: '2026-01-22T08:00:00.000Z',
    survivor: {
      ...ofAccount,
      primary_email: 'Ada.L@mail.test',
      basket_token: LOST,
      version: 3,
      newsletters: { offers: inAccount },
    },
    restored: { ...other, version: 4, newsletters },
    addresses: ['new.name@mail.test'],
  } satisfies body.ContactUnmerged,
);

export const EMAIL_CHANGED = traced('Another primary address', [MADE, MOVED], {
  changed_at: '2026-01-21T12:55:24.000Z',
  trigger,
  contact: ofAccount,
  former_email: 'Ada.L@mail.test',
  former_addresses: ['Ada.L@mail.test'],
  newsletters: { offers: inAccount },
  merge_id: null,
} satisfies body.ContactEmailChanged);

export const REVIEW_NEEDED = traced(
  'Another account has proved the only address',
  [MADE_WITH_EMAIL, SIGN_UP, OTHER_ACCOUNT],
  {
    needed_at: '2026-01-21T12:55:24.000Z',
    reason: 'no_address',
    trigger: { ...trigger, event: 'verified' },
    contact: { ...contact, version: 3, primary_email: null, double_opt_in: false, mailable: false },
    former_email: EMAIL,
  } satisfies body.ContactReviewNeeded,
);

export const ACCOUNT_DELETED = traced(
  'An account is deleted',
  [MADE_WITH_EMAIL, SIGN_UP, last(account('delete', {}))],
  {
    deleted_at: '2026-01-21T12:55:24.000Z',
    trigger: { ...trigger, event: 'delete' },
    account_id: UID,
    contact: { ...contact, version: 3, account_id: null, account_profile: null },
    newsletters: { 'privacy-weekly': signedUp },
  } satisfies body.ContactAccountDeleted,
);

export const CLOSED = traced(
  'The only address of a deleted account belongs to another person',
  [MADE_WITH_EMAIL, OTHER_ACCOUNT, last(account('delete', { ts: 1769000130 }))],
  {
    closed_at: '2026-01-21T12:55:24.000Z',
    trigger: { ...trigger, event: 'delete', event_time: '2026-01-21T12:55:30.000Z' },
    contact_id: other.contact_id,
    basket_token: LOST,
    account_id: UID,
    version: 3,
  } satisfies body.ContactClosed,
);

export const ERASED = out('A person is erased', [...MERGING, { command: `onecontact erase ${EMAIL} --yes` }], {
  erased_at: '2026-01-21T12:55:24.000Z',
  contact_id: contact.contact_id,
  basket_token: KEPT,
  retired_contact_ids: [other.contact_id],
} satisfies body.ContactErased);

export const CONFIRMATION_NEEDED = traced('A sign-up without a proof', [last(SIGN_UP)], {
  needed_at: '2026-01-21T12:55:24.000Z',
  trigger: {
    source: 'newsletter',
    event: 'newsletter.subscribe',
    event_id: '0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11',
    event_time: '2026-01-21T12:54:20.000Z',
  },
  contact: { ...other, version: 1 },
  newsletters: { 'privacy-weekly': signedUp },
} satisfies body.ContactConfirmationNeeded);

export const CHANGED = out('An opt-out', [SIGN_UP, { event: newsletter('unsubscribe', { email: EMAIL, all: true }) }], {
  contact_id: contact.contact_id,
  version: 2,
  changed: ['newsletters', 'opt_out'],
} satisfies body.ContactChanged);

export const DEAD: Example[] = [
  {
    name: 'An account event with an impossible address',
    headers: {
      reason: 'invalid_address',
      error: 'email: has no @',
      attempts: 0,
      'origin-queue': 'contacts.fxa',
      'first-seen': '2026-01-21T12:55:24.000Z',
      'last-seen': '2026-01-21T12:55:24.000Z',
    },
    payload: flat('login', { email: 'no address' }),
  },
];

export const DEAD_BY_BROKER: Example[] = [
  {
    name: 'A message that was delivered too often without an ack',
    headers: { 'x-death': [{ reason: 'delivery_limit', queue: 'contacts.newsletter', count: 1 }] },
    payload: newsletter('confirm', { email: 'Ada.L@mail.test' }),
  },
];
