/** A contact of another contact service, as it is moved in: its id and token, and what it says, as facts. */
import type { Address, Profile, Time } from '../../contacts/facts/event';
import type { Choice } from '../../contacts/facts/facts';

export interface ImportRecord {
  /** The contact's id there, kept. */
  id: string;
  /** The basket token there, kept; null where it had none. */
  token: string | null;
  createdAt: Time;
  /** When it was last written there: no fact of it is later, but for what says its own time. */
  at: Time;
  /** The address that is this contact's alone over there (CTMS: `email.primary_email`). */
  address: Address;
  /** Learned at the address, at `at`. Absent says nothing. */
  profile: Profile;
  account: ImportedAccount | null;
  /** Made at the address. */
  choices: Choice[];
}

export interface ImportedAccount {
  /** 32 lower-case hexadecimal digits. */
  uid: string;
  /** When it was made. */
  at: Time;
  /** Accept-Language as the account service had it, and the first service used: both of the time of its making. */
  locale?: string;
  service?: string;
  /** The address of the record at the account's making, and the account's own address at the last write. */
  claims: ImportedClaim[];
  /** Set when the account is gone. Not before its claims: they count. */
  deletedAt?: Time;
}

export interface ImportedClaim {
  address: Address;
  at: Time;
  /** One of the two below: what the ledger and `collisions list` show. */
  event: string;
}

/** An account's claim on the address of its own record. */
export const OWN_ADDRESS_CLAIM = 'import.primary_email';
/** An account's claim on what the record says is the account's address: perhaps another record's. */
export const ACCOUNT_ADDRESS_CLAIM = 'import.fxa.primary_email';

/** Why a record cannot be taken as a contact of its own. */
export type ImportConflict =
  /** The id is another contact's, or its contact has another address now, or is gone: nothing of the record is taken. */
  | 'email_id_taken'
  /** The token is another contact's: nothing of the record is taken. */
  | 'basket_token_taken'
  /** The address is on another contact: what the record says is taken, its id and its token are not. */
  | 'address_taken'
  /** The contact is here with another token: what the record says is taken, the token is not. */
  | 'token_changed';

/** What of a record is later than a time (its person was erased then); null when it was not written since. */
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
