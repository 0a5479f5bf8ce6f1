import { randomUUID } from 'node:crypto';
import { v7 } from 'uuid';
import type { Ids } from '../contacts/identity/contact-index';

/**
 * Contacts and merges get ids that rise with time: their index grows at its end, and stays fast with many millions.
 * Tokens are keys: nothing but randomness, so that none can be guessed from another.
 */
export const ids: Ids = { contact: () => v7(), merge: () => v7(), token: () => randomUUID() };
