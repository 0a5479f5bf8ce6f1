/** Examples of every message. A test validates each, and decodes the incoming ones. */
import type {
  ContactEmailChanged,
  ContactMerged,
  ContactReviewNeeded,
  ContactUnmerged,
} from '../../src/messages/outgoing/schemas';

const UID = '9f3c1a7be2d84c06b5a1e0774cd2f8aa';
const TRACE = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
const KEPT = '4c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11';
const LOST = '5c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11';
const MERGE = '019be0a1-6d0e-7f0e-8a55-2a2f5f0c7e11';

export interface Example {
  name: string;
  headers?: Record<string, unknown>;
  payload: unknown;
}

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
  { name: 'Through the preference centre', payload: newsletter('subscribe', { token: KEPT, newsletters: ['hacks'] }) },
];

export const UNSUBSCRIBE: Example[] = [
  {
    name: 'From one newsletter',
    payload: newsletter('unsubscribe', { token: KEPT, newsletters: ['privacy-weekly'], reason: 'Too many mails' }),
  },
  { name: 'From all email', payload: newsletter('unsubscribe', { email: 'Ada.L@mail.test', all: true }) },
];

export const CONFIRM: Example[] = [
  { name: 'The link in the mail was clicked', payload: newsletter('confirm', { email: 'Ada.L@mail.test' }) },
];

const trigger = {
  source: 'fxa' as const,
  event: 'primaryEmailChanged',
  event_id: '5c2d9b1e-1111-4222-8333-444455556666',
  event_time: '2026-01-21T12:55:23.456Z',
};
const contact = {
  contact_id: '019be0a0-2222-7333-8444-555555555555',
  primary_email: EMAIL,
  basket_token: KEPT,
  lang: 'fr',
  format: null,
  account_id: UID,
  opted_out: false,
  version: 3,
};
const newsletters = {
  'privacy-weekly': { state: 'subscribed' as const, since: '2026-01-20T00:00:00.000Z' },
  offers: { state: 'unsubscribed' as const, since: '2026-01-21T00:00:00.000Z' },
};

const out = (name: string, payload: unknown): Example[] => [
  { name, headers: { 'schema-version': '1', ...TRACE }, payload },
];

export const MERGED = out('The address of a sign-up turned out to be an account’s', {
  merge_id: MERGE,
  merged_at: '2026-01-21T12:55:24.000Z',
  reason: 'claim',
  trigger,
  survivor: contact,
  retired: {
    contact_id: '019be0a0-3333-7333-8444-555555555555',
    basket_token: KEPT,
    addresses: ['new.name@mail.test'],
  },
  former_addresses: ['ada.l@mail.test'],
  newsletters,
  newsletters_added: ['privacy-weekly'],
  token: { policy: 'address', reason: 'held_primary_address', kept: KEPT, retired: LOST },
} satisfies ContactMerged);

export const UNMERGED = out('The merge was taken back', {
  merge_id: MERGE,
  unmerged_at: '2026-01-22T08:00:00.000Z',
  survivor: { ...contact, primary_email: 'Ada.L@mail.test', basket_token: LOST, version: 4, newsletters: {} },
  restored: {
    ...contact,
    contact_id: '019be0a0-3333-7333-8444-555555555555',
    account_id: null,
    version: 2,
    newsletters,
  },
  addresses: ['new.name@mail.test'],
} satisfies ContactUnmerged);

export const EMAIL_CHANGED = out('Another primary address', {
  changed_at: '2026-01-21T12:55:24.000Z',
  trigger,
  contact,
  former_email: 'Ada.L@mail.test',
} satisfies ContactEmailChanged);

export const REVIEW_NEEDED = out('Another account has proved the only address', {
  needed_at: '2026-01-21T12:55:24.000Z',
  reason: 'no_address',
  trigger,
  contact: { ...contact, primary_email: null },
  former_email: EMAIL,
} satisfies ContactReviewNeeded);

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
