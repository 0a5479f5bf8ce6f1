import { randomUUID } from 'node:crypto';
import type { Ids } from '../contacts/identity/contact-index';

/**
 * Ids of contacts and merges rise with time: an index that only grows at its end stays fast with many millions of rows.
 * Tokens are secrets: purely random, so that none can be guessed from another.
 */
export const ids: Ids = { contact: v7, merge: v7, token: () => randomUUID() };

let lastMs = 0;
let prefix = '';

/**
 * A uuid of version 7: 48 bits of time, then random bits, taken from `randomUUID`, because Node keeps a stock of random
 * bytes only for that.
 */
function v7(): string {
  const now = Date.now();
  if (now !== lastMs) {
    const time = now.toString(16).padStart(12, '0');
    prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    lastMs = now;
  }
  return prefix + randomUUID().slice(15);
}
