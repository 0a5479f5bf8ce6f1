import type { Changes } from '../contacts/decide';
import type { Queries } from './database';

/** Retires tokens first, then moves and issues others: a contact has one live token at every moment. */
export async function saveTokens(tx: Queries, { retired, moved, issued }: Changes['tokens']): Promise<void> {
  if (retired.length > 0) {
    await tx.$executeRaw`
      UPDATE basket_token AS known SET state = 'retired', retired_by = x.merge_id, contact_id = x.contact_id
      FROM unnest(
        ${retired.map(({ id }) => id)}::uuid[], ${retired.map(({ mergeId }) => mergeId)}::uuid[],
        ${retired.map(({ contactId }) => contactId)}::uuid[]
      ) AS x (token, merge_id, contact_id)
      WHERE known.token = x.token`;
  }
  if (moved.length > 0) {
    await tx.$executeRaw`
      UPDATE basket_token AS known SET contact_id = x.contact_id
      FROM unnest(${moved.map(({ id }) => id)}::uuid[], ${moved.map(({ contactId }) => contactId)}::uuid[]) AS x (token, contact_id)
      WHERE known.token = x.token`;
  }
  if (issued.length > 0) {
    await tx.$executeRaw`
      INSERT INTO basket_token (token, contact_id)
      SELECT * FROM unnest(${issued.map(({ id }) => id)}::uuid[], ${issued.map(({ contactId }) => contactId)}::uuid[])`;
  }
}
