import type { Changes } from '../contacts/changes';
import { arrayLiteral } from './array-literal';
import type { Queries } from './database';

/** Retires tokens first, then moves, revives and issues others: a contact never has two live tokens. */
export async function saveTokens(tx: Queries, { retired, moved, revived, issued }: Changes['tokens']): Promise<void> {
  if (retired.length > 0) {
    await tx.$executeRaw`
      UPDATE basket_token AS known SET state = 'retired', retired_by = x.merge_id, contact_id = x.contact_id
      FROM unnest(
        ${arrayLiteral(retired.map(({ id }) => id))}::uuid[], ${arrayLiteral(retired.map(({ mergeId }) => mergeId))}::uuid[],
        ${arrayLiteral(retired.map(({ contactId }) => contactId))}::uuid[]
      ) AS x (token, merge_id, contact_id)
      WHERE known.token = x.token`;
  }
  if (moved.length > 0) {
    await tx.$executeRaw`
      UPDATE basket_token AS known SET contact_id = x.contact_id
      FROM unnest(${arrayLiteral(moved.map(({ id }) => id))}::uuid[], ${arrayLiteral(moved.map(({ contactId }) => contactId))}::uuid[]) AS x (token, contact_id)
      WHERE known.token = x.token`;
  }
  if (revived.length > 0) {
    await tx.$executeRaw`
      UPDATE basket_token AS known SET state = 'live', retired_by = NULL, contact_id = x.contact_id
      FROM unnest(${arrayLiteral(revived.map(({ id }) => id))}::uuid[], ${arrayLiteral(revived.map(({ contactId }) => contactId))}::uuid[]) AS x (token, contact_id)
      WHERE known.token = x.token`;
  }
  if (issued.length > 0) {
    await tx.$executeRaw`
      INSERT INTO basket_token (token, contact_id)
      SELECT * FROM unnest(${arrayLiteral(issued.map(({ id }) => id))}::uuid[], ${arrayLiteral(issued.map(({ contactId }) => contactId))}::uuid[])`;
  }
}
