/** A contact from another contact service, as it is imported: its id, its token, and its facts. */
import type { Address, Profile, Time } from '../../contacts/facts/event';
import type { Choice } from '../../contacts/facts/facts';

export interface ImportRecord {
  /** The contact's id in the other service. The contact keeps it. */
  id: string;
  /** The basket token, which the contact keeps; null if it has none. */
  token: string | null;
  createdAt: Time;
  /** When the record was last written, if it says so. */
  at: Time;
  /** The address that only this contact has in the other service (CTMS: `email.primary_email`). */
  address: Address;
  /** The address would be refused today: if it is stored, the record's refusals count, and nothing else does. */
  onlyIfStored?: true;
  /** The profile at the address, as of `at`. */
  profile: Profile;
  account: ImportedAccount | null;
  /** Choices at the address. */
  choices: Choice[];
  /** The fields that could not be used, each with what is wrong with it. */
  problems?: string[];
  /** The groups of the record that are not imported. */
  notTaken?: string[];
}

export interface ImportedAccount {
  /** 32 lower-case hexadecimal digits. */
  uid: string;
  /** When the account was created. */
  at: Time;
  /** The Accept-Language value and the first service used, both as of the account's creation. */
  locale?: string;
  service?: string;
  /** Claims on the record's address at the account's creation, and on the account's own address at the last write. */
  claims: ImportedClaim[];
  /** Set if the account is deleted; not earlier than its claims, which are effective. */
  deletedAt?: Time;
}

export interface ImportedClaim {
  address: Address;
  at: Time;
  /** One of the two names below; the ledger and `collisions list` show it. */
  event: string;
}

/**
 * Stands for the time of a record's first import: the time of a refusal or a deletion in a record that does not say when
 * it was last written.
 */
export const AT_FIRST_IMPORT: Time = Number.POSITIVE_INFINITY;

export const needsFirstImport = ({ choices, account }: ImportRecord): boolean =>
  account?.deletedAt === AT_FIRST_IMPORT || choices.some(({ at }) => at === AT_FIRST_IMPORT);

export function withFirstImport(record: ImportRecord, time: Time): ImportRecord {
  const { account, choices } = record;
  return {
    ...record,
    choices: choices.map((choice) => (choice.at === AT_FIRST_IMPORT ? { ...choice, at: time } : choice)),
    account:
      account?.deletedAt === AT_FIRST_IMPORT
        ? { ...account, deletedAt: Math.max(time, ...account.claims.map(({ at }) => at)) }
        : account,
  };
}

/** An account's claim on the address of its own record. */
export const OWN_ADDRESS_CLAIM = 'import.primary_email';
/** An account's claim on its own address according to the record, which may be another record's address. */
export const ACCOUNT_ADDRESS_CLAIM = 'import.fxa.primary_email';

/** Why a record cannot become a contact of its own. */
export type ImportConflict =
  /**
   * The id belongs to another contact, or its contact now has another address or none: nothing of the record is
   * imported.
   */
  | 'email_id_taken'
  /** The token belongs to another contact: nothing of the record is imported. */
  | 'basket_token_taken'
  /** Another contact has the address: the record's facts are imported, but not its id and token. */
  | 'address_taken'
  /** The contact has another token: the record's facts are imported, but not its token. */
  | 'token_changed'
  /** The address would be refused today, and no contact has it: nothing of the record is imported. */
  | 'invalid_address'
  /** The address would be refused today, but a contact has it: only the record's refusals are imported. */
  | 'refusals_only';

/**
 * The part of a record that is later than an erasure of its person; null if the record was not written after the erasure,
 * or does not say so.
 */
export function since(record: ImportRecord, time: Time): ImportRecord | null {
  if (record.at <= time) return null;
  const { account, choices } = record;
  if (time < record.createdAt && (account === null || time < account.at)) return record;
  const claims = account?.claims.filter(({ at }) => at > time) ?? [];
  return {
    ...record,
    choices: choices.filter(({ at }) => at > time),
    account: account && claims.length > 0 ? { ...account, claims } : null,
  };
}
