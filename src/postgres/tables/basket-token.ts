import type { ChangeSet } from '../../contacts/change-recorder';
import type { RetiredToken, StoredToken } from '../../contacts/identity/contact-index';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { type Columns, rowSource, type Write } from '../statement';

type Tokens = ChangeSet['tokens'];

const COLUMNS = {
  token: ['uuid', ({ id }) => id],
  contact_id: ['uuid', ({ contactId }) => contactId],
} satisfies Columns<StoredToken>;

interface Resolved {
  by: 'token' | 'id';
  key: string;
  contact_id: string;
}

/** The contact of each token that was ever issued, and of each id; if it was merged, its survivor, at any depth. */
export function resolveTokens(
  db: Queries,
  tokens: readonly string[],
  ids: readonly string[] = [],
): Promise<Resolved[]> {
  return db.$queryRaw<Resolved[]>`
    SELECT 'token' AS by, t.token AS key, coalesce(c.merged_into, c.id) AS contact_id
    FROM basket_token t JOIN contact c ON c.id = t.contact_id
    WHERE t.token = ANY (${arrayLiteral(tokens)}::uuid[])
    UNION ALL
    SELECT 'id', id, coalesce(merged_into, id) FROM contact WHERE id = ANY (${arrayLiteral(ids)}::uuid[])`;
}

/** Retires tokens, then moves and revives others, in this order: a contact never has two live tokens. */
export const updateTokens = ({ retired, moved, revived }: Tokens): Write[] => [
  retireTokens(retired),
  moveTokens(moved, Prisma.empty),
  moveTokens(revived, Prisma.sql`, state = 'live', retired_by = NULL`),
];

function retireTokens(retired: readonly RetiredToken[]): Write {
  if (retired.length === 0) return null;
  const columns: Columns<RetiredToken> = { ...COLUMNS, merge_id: ['uuid', ({ mergeId }) => mergeId] };
  return Prisma.sql`
    UPDATE basket_token AS known SET state = 'retired', retired_by = x.merge_id, contact_id = x.contact_id
    FROM ${rowSource(retired, columns)} WHERE known.token = x.token`;
}

function moveTokens(tokens: readonly StoredToken[], more: Prisma.Sql): Write {
  if (tokens.length === 0) return null;
  return Prisma.sql`
    UPDATE basket_token AS known SET contact_id = x.contact_id ${more}
    FROM ${rowSource(tokens, COLUMNS)} WHERE known.token = x.token`;
}

/** Adds new tokens, after the old ones have left their contacts. */
export function insertTokens(issued: readonly StoredToken[]): Write {
  if (issued.length === 0) return null;
  return Prisma.sql`
    INSERT INTO basket_token (token, contact_id) SELECT token, contact_id FROM ${rowSource(issued, COLUMNS)}`;
}
