/** Texts from outside as keys of contacts; undefined for what cannot be one. */

import type { Key } from '../../postgres/find-contact';
import { normaliseAddress } from '../facts/address';
import { asUuid } from '../facts/uuid';

const UID = /^[0-9a-f]{32}$/i;

export function tokenKey(text: string): Key | undefined {
  const token = asUuid(text);
  return token === undefined ? undefined : { by: 'token', token };
}

export function idKey(text: string): Extract<Key, { by: 'id' }> | undefined {
  const id = asUuid(text);
  return id === undefined ? undefined : { by: 'id', id };
}

export function accountKey(text: string): Key | undefined {
  return UID.test(text) ? { by: 'account', uid: text.toLowerCase() } : undefined;
}

export function emailKey(text: string): Key | undefined {
  const normalised = normaliseAddress(text);
  return normalised.ok ? { by: 'email', address: normalised.address.key } : undefined;
}
