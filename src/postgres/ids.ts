import { randomUUID } from 'node:crypto';
import { v7 } from 'uuid';
import type { Ids } from '../contacts/identity/contact-index';

/**
 * Ids of contacts and merges rise with time: an index that only grows at its end stays fast with many millions of rows.
 * Tokens are secrets: purely random, so that none can be guessed from another.
 */
export const ids: Ids = { contact: () => v7(), merge: () => v7(), token: () => randomUUID() };
