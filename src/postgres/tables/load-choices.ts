import type { Choice } from '../../contacts/facts/facts';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';

/** The consent ledger of some addresses and accounts. */
export async function loadChoices(db: Queries, { addresses, uids }: ConnectedComponent): Promise<Choice[]> {
  const rows = await db.$queryRaw<
    (Omit<Choice, 'origin'> & { origin: string; origin_kind: Choice['origin']['kind'] })[]
  >`
    SELECT origin_kind::text, origin, newsletter, (extract(epoch FROM at) * 1000)::float8 AS at, act::text, proven,
      source, lang, format, reason
    FROM choice
    WHERE (origin_kind = 'address' AND origin = ANY (${arrayLiteral(addresses)}::text[]))
       OR (origin_kind = 'account' AND origin = ANY (${arrayLiteral(uids)}::text[]))`;
  return rows.map(({ origin, origin_kind, ...choice }) => ({ ...choice, origin: { kind: origin_kind, key: origin } }));
}
