import { arrayLiteral } from '../../postgres/array-literal';
import type { Queries } from '../../postgres/database';
import type { Known } from './plan';
import type { ImportRecord } from './record';

/** Besides what a batch of records is screened with: the accounts that there are. */
export interface KnownNames extends Known {
  uids: ReadonlySet<string>;
}

/** What is stored under the ids, tokens, addresses and accounts that records name. Takes no locks. */
export async function findKnown(tx: Queries, records: readonly ImportRecord[]): Promise<KnownNames> {
  const addresses = records.flatMap(({ address, account }) => [
    address.key,
    ...(account?.claims.map((claim) => claim.address.key) ?? []),
  ]);
  const rows = await tx.$queryRaw<{ kind: 'id' | 'token' | 'address' | 'uid'; key: string; contact: string | null }[]>`
    SELECT 'id' AS kind, id::text AS key, CASE state WHEN 'live' THEN id WHEN 'merged' THEN merged_into END AS contact
    FROM contact WHERE id = ANY (${arrayLiteral(records.map(({ id }) => id))}::uuid[])
    UNION ALL
    SELECT 'token', t.token::text, CASE c.state WHEN 'live' THEN c.id WHEN 'merged' THEN c.merged_into END
    FROM basket_token t JOIN contact c ON c.id = t.contact_id
    WHERE t.token = ANY (${arrayLiteral(records.flatMap(({ token }) => token ?? []))}::uuid[])
    UNION ALL
    SELECT 'address', address, contact_id FROM email_address WHERE address = ANY (${arrayLiteral([...new Set(addresses)])}::text[])
    UNION ALL
    SELECT 'uid', uid, contact_id FROM account WHERE uid = ANY (${arrayLiteral(records.flatMap(({ account }) => account?.uid ?? []))}::text[])`;
  const of = <T>(kind: string, pick: (row: (typeof rows)[number]) => T): T[] =>
    rows.filter((row) => row.kind === kind).map(pick);
  return {
    ids: new Map(of('id', ({ key, contact }) => [key, contact])),
    tokens: new Map(of('token', ({ key, contact }) => [key, contact])),
    addresses: new Map(of('address', ({ key, contact }) => [key, contact as string])),
    uids: new Set(of('uid', ({ key }) => key)),
  };
}
