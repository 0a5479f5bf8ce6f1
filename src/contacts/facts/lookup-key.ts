/** Parsers for received text that names a contact. Each returns undefined for text that cannot be such a key. */

import { normaliseAddress } from './address';

/** Normalised: a lower-case uuid for tokens and ids, a normalised address, a lower-case uid. */
export type LookupKey =
  | { by: 'token'; token: string }
  | { by: 'email'; address: string }
  | { by: 'account'; uid: string }
  | { by: 'id'; id: string };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UID = /^[0-9a-f]{32}$/;

/** A uuid of any version, lower-case. */
export function asUuid(text: string): string | undefined {
  const lower = text.toLowerCase();
  return UUID.test(lower) ? lower : undefined;
}

export function tokenKey(text: string): LookupKey | undefined {
  const token = asUuid(text);
  return token === undefined ? undefined : { by: 'token', token };
}

export function idKey(text: string): Extract<LookupKey, { by: 'id' }> | undefined {
  const id = asUuid(text);
  return id === undefined ? undefined : { by: 'id', id };
}

/** An account's uid, lower-case: 32 hexadecimal digits, or a uuid, whose dashes are dropped. */
export function asUid(text: string): string | undefined {
  const lower = text.toLowerCase();
  return UID.test(lower) ? lower : asUuid(lower)?.replaceAll('-', '');
}

export function accountKey(text: string): LookupKey | undefined {
  const uid = asUid(text);
  return uid === undefined ? undefined : { by: 'account', uid };
}

export function emailKey(text: string): LookupKey | undefined {
  const normalised = normaliseAddress(text);
  return normalised.ok ? { by: 'email', address: normalised.address.key } : undefined;
}
