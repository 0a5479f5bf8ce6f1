/** An erasure in words, for the command and the console. */
import { count } from '../render';
import type { Erased } from './run';

export const NO_ERASURE_KEY =
  'ERASURE_KEY is not set: set it to a secret of 16 characters or more, here and for the service, and keep it.';

type Deleted = Erased['deleted'];

const NOUNS: Record<keyof Deleted, string> = {
  contacts: 'contact',
  addresses: 'address',
  accounts: 'account',
  claims: 'claim',
  choices: 'choice',
  tokens: 'token',
  merges: 'merge',
  messages: 'pending message',
};

/** The keys of what an erasure deletes, in the order in which people are shown them. */
export const DELETED = Object.keys(NOUNS) as (keyof Deleted)[];

/** `1 contact, 2 addresses, ...` */
export const deletedText = (deleted: Deleted): string =>
  DELETED.map((name) => count(deleted[name], NOUNS[name])).join(', ');
