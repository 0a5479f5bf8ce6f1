/** A database with about a million rows, made by SQL, for tests of what statements read. */
import { erasureHash } from '../../src/postgres/tables/erasure';
import type { TestDatabase } from './database';
import { EPOCH } from './events';

/**
 * People have the numbers 1 to 160,000, and an address each; the first 100,000 have an account. What else is special about
 * some of them, by number:
 */
export const FILLED = {
  /** The account with 5,000 logins, whose contact survived 20,000 merges. */
  busy: 1,
  /** Accounts that once claimed the shared address `crowd`, 10,000 of them, and `few`, 10 of them. */
  inCrowd: 5_000,
  inFew: 11_005,
  /** An account with a held claim on the address of `contested`, who has no account. */
  held: 20_001,
  contested: 100_001,
  /** An account with an undone merge. */
  undone: 40_001,
  /** An account with one merge. */
  merged: 52_001,
  /** An account with a block. */
  blocked: 70_001,
  /** A deleted account. */
  deleted: 90_001,
  /** The first of many accounts, and of many people without one, of whom nothing else is known. */
  account: 95_001,
  lone: 144_001,
} as const;

/** The key of erasures in this database. */
export const FILLED_ERASURE_KEY = 'a key for erasure in tests';

export const filledUid = (i: number): string => i.toString(16).padStart(8, '0').padEnd(32, '0');
const uuid = (kind: string, i: number): string => `00000000-0000-${kind}000-8000-${i.toString(16).padStart(12, '0')}`;
export const filledContact = (i: number): string => uuid('4', i);
export const filledToken = (i: number): string => uuid('5', i);
export const filledMerge = (i: number): string => uuid('6', i);
/** For `addressOf`. */
export const filledAddress = (i: number): string => `p${i}`;

const PEOPLE = 160_000;
const ACCOUNTS = 100_000;
/** What the numbers of merged contacts begin behind. */
const MERGED = 1_000_000;
/** Rows of each of the smaller tables: enough to count as large. */
const SMALL = 12_000;

/** The SQL of the functions above. Keys rise with the numbers, so that indexes grow at their ends. */
const UID = (i: string) => `lpad(to_hex(${i}), 8, '0') || repeat('0', 24)`;
const ID = (kind: string, i: string) => `('00000000-0000-${kind}000-8000-' || lpad(to_hex(${i}), 12, '0'))::uuid`;
const AT = (seconds: string) => `to_timestamp(${EPOCH / 1_000} + ${seconds})`;
const ADDRESS = (i: string) => `'p' || ${i} || '@mail.test'`;
const numbers = (from: number, to: number): string => `generate_series(${from}, ${to}) AS i`;

const claims = (from: number, to: number, address: string, seconds: string, more = `'active', false`): string => `
  INSERT INTO address_claim (address, uid, at, event, event_id, status, continues)
  SELECT ${address}, ${UID('i')}, ${AT(seconds)}, 'login', i, ${more} FROM ${numbers(from, to)}`;

/** @param survivor, retired the contacts' numbers, in terms of `k`; both sides are accounts or lone addresses by their numbers */
const merges = (from: number, to: number, survivor: string, retired: string, more: string): string => `
  INSERT INTO merge (id, seq, survivor_id, retired_id, uid, claimant, reason, trigger_source, trigger_event, trigger_id,
    trigger_at, addresses, token_policy, token_reason, token_side, token_retired, announced, undone_at)
  SELECT ${ID('6', 'k')}, k, ${ID('4', survivor)}, ${ID('4', retired)}, ${UID(survivor)}, NULL, 'claim', 'fxa', 'login', 'event-' || k,
    ${AT('400000')}, ${more} FROM generate_series(${from}, ${to}) AS k`;

const STATEMENTS = [
  `INSERT INTO contact (id) SELECT ${ID('4', 'i')} FROM ${numbers(1, PEOPLE)}`,
  `INSERT INTO contact (id, state, merged_into)
   SELECT ${ID('4', `${MERGED} + k`)}, 'merged', ${ID('4', 'CASE WHEN k <= 20000 THEN 1 ELSE k + 32000 END')}
   FROM generate_series(1, 38000) AS k`,
  `INSERT INTO basket_token (token, contact_id) SELECT ${ID('5', 'i')}, ${ID('4', 'i')} FROM ${numbers(1, PEOPLE)}`,
  `INSERT INTO basket_token (token, contact_id, state, retired_by)
   SELECT ${ID('5', `${MERGED} + k`)}, ${ID('4', `${MERGED} + k`)}, 'retired', ${ID('6', 'k')} FROM generate_series(1, 38000) AS k`,
  `INSERT INTO email_address (address, typed, typed_at, contact_id, lang, lang_at)
   SELECT ${ADDRESS('i')}, ${ADDRESS('i')}, ${AT('0')}, ${ID('4', 'i')}, 'de', ${AT('0')} FROM ${numbers(1, PEOPLE)}`,
  `INSERT INTO email_address (address, typed, typed_at, contact_id)
   VALUES ('crowd@mail.test', 'crowd@mail.test', ${AT('0')}, ${ID('4', '11000')}),
     ('few@mail.test', 'few@mail.test', ${AT('0')}, ${ID('4', '11010')})`,
  `INSERT INTO account (uid, contact_id, locale, locale_at, deleted_at)
   SELECT ${UID('i')}, ${ID('4', 'i')}, 'de', ${AT('0')}, CASE WHEN i BETWEEN 90001 AND 95000 THEN ${AT('500000')} END
   FROM ${numbers(1, ACCOUNTS)}`,
  claims(1, ACCOUNTS, ADDRESS('i'), '2 * i + 1'),
  claims(40_001, 90_000, ADDRESS('i'), '300000', `'active', true`),
  claims(1_001, 11_000, `'crowd@mail.test'`, '2 * i'),
  claims(11_001, 11_010, `'few@mail.test'`, '2 * i'),
  claims(20_001, 40_000, ADDRESS('(i + 80000)'), '300000', `'held', false`),
  `INSERT INTO address_claim (address, uid, at, event, event_id, continues)
   SELECT ${ADDRESS('1')}, ${UID('1')}, ${AT('300000 + k')}, 'login', k, true FROM generate_series(1, 5000) AS k`,
  `INSERT INTO choice (origin_kind, origin, newsletter, at, act, proven, source)
   SELECT 'address', ${ADDRESS('i')}, 'x', ${AT('3 * i')}, 'subscribe', false, 'https://site.test/' FROM ${numbers(1, PEOPLE)}`,
  `INSERT INTO choice (origin_kind, origin, newsletter, at, act, proven)
   SELECT 'account', ${UID('i')}, 'y', ${AT('3 * i')}, 'subscribe', false FROM ${numbers(80_001, ACCOUNTS)}`,
  merges(
    1,
    20_000,
    '1',
    `${MERGED} + k`,
    `'{}', 'address', 'only', 'survivor', ${ID('5', `${MERGED} + k`)}, false, NULL`,
  ),
  merges(
    20_001,
    38_000,
    '(k + 32000)',
    `${MERGED} + k`,
    `'{}', 'address', 'only', 'survivor', ${ID('5', `${MERGED} + k`)}, false, NULL`,
  ),
  merges(
    40_001,
    52_000,
    'k',
    '(k + 80000)',
    `ARRAY[${ADDRESS('(k + 80000)')}], 'address', 'only', 'survivor', NULL, false, ${AT('500000')}`,
  ),
  `SELECT setval('merge_seq_seq', 100000)`,
  `INSERT INTO claim_block (uid, address, merge_id, at)
   SELECT ${UID('i')}, ${ADDRESS('(i + 62000)')}, ${ID('6', '(i - 30000)')}, ${AT('500000')} FROM ${numbers(70_001, 82_000)}`,
  `INSERT INTO erasure (hash, at) SELECT decode(lpad(to_hex(i), 64, '0'), 'hex'), ${AT('0')} FROM ${numbers(1, SMALL)}`,
  `INSERT INTO erasure (hash, at) VALUES (decode('${erasureHash(FILLED_ERASURE_KEY, { kind: 'check' })}', 'hex'), now())`,
  `INSERT INTO outbox (message_id, contact_id, type, body)
   SELECT gen_random_uuid(), ${ID('4', 'i')}, 'contact.email_changed', '{}' FROM ${numbers(1, SMALL)}`,
  `INSERT INTO outbox_changes (parts, contact_ids, versions, message_ids)
   SELECT '{profile}', ARRAY[${ID('4', 'i')}], '{2}', ARRAY[gen_random_uuid()] FROM ${numbers(1, SMALL)}`,
  `INSERT INTO audit (at, operator, command, target, result)
   SELECT ${AT('i')}, 'grace', 'merges undo', json_build_object('account_id', ${UID('i')}), '{}' FROM ${numbers(1, SMALL)}`,
  `INSERT INTO first_import (record_id, at) SELECT ${ID('4', 'i')}, ${AT('0')} FROM ${numbers(1, SMALL)}`,
  `INSERT INTO import_progress (source, lines) SELECT 'file ' || i, i FROM ${numbers(1, SMALL)}`,
];

/** Fills an empty database. Foreign keys are not checked meanwhile, which needs a superuser. */
export async function fill({ sql }: TestDatabase): Promise<void> {
  await sql(`SET session_replication_role = replica; SET synchronous_commit = off; SET jit = off`);
  for (const statement of STATEMENTS) await sql(statement);
  await sql('RESET session_replication_role');
  await sql('VACUUM ANALYZE');
}
