/** Texts from outside as keys of contacts; undefined for what cannot be one. */
import { normaliseAddress } from '../contacts/address';
import type { Key } from '../store/find-contact';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const UID = /^[0-9a-f]{32}$/i;

export function tokenKey(text: string): Key | undefined {
  return UUID.test(text) ? { by: 'token', token: text.toLowerCase() } : undefined;
}

export function idKey(text: string): Extract<Key, { by: 'id' }> | undefined {
  return UUID.test(text) ? { by: 'id', id: text.toLowerCase() } : undefined;
}

export function accountKey(text: string): Key | undefined {
  return UID.test(text) ? { by: 'account', uid: text.toLowerCase() } : undefined;
}

export function emailKey(text: string): Key | undefined {
  const normalised = normaliseAddress(text);
  return normalised.ok ? { by: 'email', address: normalised.address.key } : undefined;
}
