/** Short notation for records as CTMS exports them, and their content as facts. */
import { Facts } from '../../src/contacts/facts/facts';
import { addressFacts } from '../../src/contacts/facts/record';
import { isUnreadable, readRecord } from '../../src/operations/import/read-record';
import type { ImportRecord } from '../../src/operations/import/record';
import { addressOf, at, uidOf } from './events';

export const NOW = at(1_000_000);
const iso = (t: number): string => new Date(at(t)).toISOString();
const uuid = (kind: string, name: string): string => {
  const hex = Buffer.from(`${kind}${name}`).toString('hex').padStart(32, '0').slice(-32);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};
export const idOf = (name: string): string => uuid('id:', name);
export const tokenOf = (name: string): string => uuid('token:', name);

export interface Said {
  /** The address; the id and the token are named after it, unless `id` and `token` say otherwise. */
  a: string;
  id?: string;
  token?: string | null;
  /** Created and updated, in seconds. */
  made?: number;
  written?: number;
  email?: Record<string, unknown>;
  /** The account, its address in CTMS, and whether it is deleted. */
  u?: string;
  p?: string;
  deleted?: boolean;
  fxa?: Record<string, unknown>;
  newsletters?: unknown[];
  waitlists?: unknown[];
}

/** The JSON of one line. */
export function ctms(said: Said) {
  const { a, id = a, token = a, made = 1, written = made, email, u, p = a, deleted = false, fxa } = said;
  const { newsletters = [], waitlists = [] } = said;
  return {
    email: {
      email_id: idOf(id),
      primary_email: addressOf(a).typed,
      basket_token: token === null ? null : tokenOf(token),
      first_name: null,
      last_name: null,
      mailing_country: null,
      email_format: null,
      email_lang: null,
      double_opt_in: false,
      has_opted_out_of_email: false,
      unsubscribe_reason: null,
      create_timestamp: iso(made),
      update_timestamp: iso(written),
      ...email,
    },
    fxa:
      u === undefined
        ? null
        : {
            ...{ fxa_id: uidOf(u), primary_email: addressOf(p).typed, created_date: iso(made), lang: null },
            ...{ first_service: null, account_deleted: deleted, ...fxa },
          },
    newsletters,
    waitlists,
  };
}

export const newsletter = (name: string, subscribed: boolean, t: number) => ({
  ...{ name, subscribed, format: 'H', lang: 'de', source: null, unsub_reason: null },
  ...{ create_timestamp: iso(t), update_timestamp: iso(t) },
});

export function recordOf(said: Said): ImportRecord {
  const read = readRecord(ctms(said), NOW);
  if (isUnreadable(read)) throw new Error(read.problems.join());
  return read;
}

/** The facts of records, as if they had come as events and no claims were held. */
export function addRecords(facts: Facts, records: readonly ImportRecord[]): Facts {
  for (const { address, at: written, profile, account, choices } of records) {
    facts.addAddress(addressFacts(address, written, profile));
    for (const choice of choices) facts.addChoice(choice);
    if (!account) continue;
    const { uid, deletedAt, locale, service } = account;
    facts.addAccount({
      uid,
      ...(deletedAt !== undefined && { deletedAt }),
      ...(locale !== undefined && { locale: { value: locale, at: account.at } }),
      ...(service !== undefined && { service: { value: service, at: account.at } }),
    });
    for (const claim of account.claims) {
      facts.addAddress(addressFacts(claim.address, claim.at));
      const { address: claimed, at: claimedAt, event } = claim;
      facts.addClaim({ address: claimed.key, uid, at: claimedAt, status: 'active', event, eventId: '' });
    }
  }
  return facts;
}

export const factsOfRecords = (records: readonly ImportRecord[]): Facts => addRecords(new Facts(), records);
