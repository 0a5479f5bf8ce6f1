import type { Time } from '../../contacts/facts/event';
import type { Transaction } from '../../postgres/database';
import type { Page } from './pages';

/** How many rows went. */
export interface Purged {
  /** Claims between two of the same account. */
  claims: number;
  /** Subscriptions that a later choice superseded, and all but the refusals of deleted accounts. */
  choices: number;
  /** Deleted accounts that were blanked. */
  accounts: number;
  /** Addresses of which nothing was known but the claims of deleted accounts. */
  addresses: number;
  /** Contacts that were left with nothing, and closed. */
  contacts: number;
  /** Merges that lost their explanation. */
  explanations: number;
}

/**
 * One thing that is done to a page, in a transaction of its own. Done again, it finds nothing.
 *
 * @param before milliseconds since 1970: what is not older stays.
 */
export type PurgeStep = (tx: Transaction, page: Page, before: Time) => Promise<Partial<Purged>>;
