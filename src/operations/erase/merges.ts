import type { Queries } from '../../postgres/database';
import type { Names } from './plan';

/**
 * Takes the merges of some contacts out of the ledger, with the blocks that their undoing left, and out of the merges of
 * others all that names an erased address or account. Those of accounts that ever shared an address with the erased lose
 * their explanations: they hold names.
 *
 * @param merges ids of those to delete.
 * @param uids the accounts whose merges are looked at.
 */
export async function eraseMerges(
  tx: Queries,
  { merges, names, uids }: { merges: readonly string[]; names: Names; uids: readonly string[] },
): Promise<void> {
  const [addresses, accounts] = [[...names.address.keys()], [...names.account.keys()]];
  await tx.$executeRaw`
    DELETE FROM claim_block
    WHERE merge_id = ANY (${merges}::uuid[]) OR address = ANY (${addresses}::text[]) OR uid = ANY (${accounts}::text[])`;
  await tx.$executeRaw`DELETE FROM merge WHERE id = ANY (${merges}::uuid[])`;
  await tx.$executeRaw`
    WITH renamed AS (
      SELECT merge.id, coalesce(survivor.name, merge.uid) AS uid, coalesce(retired.name, merge.claimant) AS claimant,
        survivor.name IS NOT NULL OR retired.name IS NOT NULL OR addresses && ${addresses}::text[] AS is_named
      FROM merge
      LEFT JOIN unnest(${accounts}::text[], ${[...names.account.values()]}::text[]) AS survivor (uid, name)
        ON survivor.uid = merge.uid
      LEFT JOIN unnest(${accounts}::text[], ${[...names.account.values()]}::text[]) AS retired (uid, name)
        ON retired.uid = merge.claimant
      WHERE merge.uid = ANY (${uids}::text[])
    )
    UPDATE merge AS known SET
      uid = renamed.uid, claimant = renamed.claimant, explanation = NULL,
      addresses = ARRAY (
        SELECT address FROM unnest(known.addresses) WITH ORDINALITY AS x (address, nr)
        WHERE address <> ALL (${addresses}::text[]) ORDER BY nr),
      -- It can be a hash of what the event said.
      trigger_id = CASE WHEN is_named THEN '' ELSE known.trigger_id END
    FROM renamed
    WHERE known.id = renamed.id AND (is_named OR known.explanation IS NOT NULL)`;
}
