import type { ChangeSet } from '../../contacts/change-recorder';
import { arrayLiteral } from '../array-literal';
import { Prisma } from '../generated/prisma/client';
import type { Write } from '../one-statement';

type Tokens = ChangeSet['tokens'];

/** Retires tokens, then moves and revives others, in this order: a contact never has two live tokens. */
export const updateTokens = ({ retired, moved, revived }: Tokens): Write[] => [
  retireTokens(retired),
  moveTokens(moved, Prisma.empty),
  moveTokens(revived, Prisma.sql`, state = 'live', retired_by = NULL`),
];

function retireTokens(retired: Tokens['retired']): Write {
  if (retired.length === 0) return null;
  return Prisma.sql`
    UPDATE basket_token AS known SET state = 'retired', retired_by = x.merge_id, contact_id = x.contact_id
    FROM unnest(
      ${arrayLiteral(retired.map(({ id }) => id))}::uuid[], ${arrayLiteral(retired.map(({ mergeId }) => mergeId))}::uuid[],
      ${arrayLiteral(retired.map(({ contactId }) => contactId))}::uuid[]
    ) AS x (token, merge_id, contact_id)
    WHERE known.token = x.token`;
}

function moveTokens(tokens: Tokens['moved'], more: Prisma.Sql): Write {
  if (tokens.length === 0) return null;
  return Prisma.sql`
    UPDATE basket_token AS known SET contact_id = x.contact_id ${more}
    FROM unnest(${arrayLiteral(tokens.map(({ id }) => id))}::uuid[], ${arrayLiteral(tokens.map(({ contactId }) => contactId))}::uuid[]) AS x (token, contact_id)
    WHERE known.token = x.token`;
}

/** Once the others have left their contacts. */
export function insertTokens(issued: Tokens['issued']): Write {
  if (issued.length === 0) return null;
  return Prisma.sql`
    INSERT INTO basket_token (token, contact_id)
    SELECT * FROM unnest(${arrayLiteral(issued.map(({ id }) => id))}::uuid[], ${arrayLiteral(issued.map(({ contactId }) => contactId))}::uuid[])`;
}
