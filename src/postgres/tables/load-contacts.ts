import type { ContactState } from '../../contacts/identity/contact-index';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';

export interface ContactRow {
  id: string;
  state: ContactState;
  merged_into: string | null;
  version: number;
  /** Its live token. */
  token: string | null;
}

export function loadContacts(db: Queries, ids: readonly string[]): Promise<ContactRow[]> {
  return db.$queryRaw<ContactRow[]>`
    SELECT c.id, c.state::text, c.merged_into, c.version, t.token
    FROM contact c LEFT JOIN basket_token t ON t.contact_id = c.id AND t.state = 'live'
    WHERE c.id = ANY (${arrayLiteral(ids)}::uuid[])`;
}

/** The contact that has what a token's contact had, for each token that was ever issued: one look-up at any depth. */
export function resolveTokens(
  db: Queries,
  tokens: readonly string[],
): Promise<{ token: string; contact_id: string }[]> {
  return db.$queryRaw<{ token: string; contact_id: string }[]>`
    SELECT t.token, coalesce(c.merged_into, c.id) AS contact_id
    FROM basket_token t JOIN contact c ON c.id = t.contact_id
    WHERE t.token = ANY (${arrayLiteral(tokens)}::uuid[])`;
}
