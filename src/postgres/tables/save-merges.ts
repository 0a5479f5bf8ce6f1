import type { Explanation } from '../../contacts/merge/explain';
import type { MergePlan } from '../../contacts/merge/merge';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';

/** Writes merges into the ledger, each with its explanation: in the order in which they happened. */
export async function saveMerges(
  tx: Queries,
  merges: readonly (MergePlan & { explanation: Explanation })[],
): Promise<void> {
  if (merges.length === 0) return;
  const column = <T>(pick: (merge: (typeof merges)[number]) => T): T[] => merges.map(pick);
  await tx.$executeRaw`
    INSERT INTO merge (id, survivor_id, retired_id, uid, claimant, reason, trigger_source, trigger_event, trigger_id,
      trigger_at, addresses, token_policy, token_reason, token_side, token_kept, token_retired, announced, explanation)
    SELECT id, survivor_id, retired_id, uid, claimant, reason, trigger_source, trigger_event, trigger_id,
      to_timestamp(trigger_at / 1000), ARRAY(SELECT jsonb_array_elements_text(addresses::jsonb)), token_policy::token_policy,
      token_reason, token_side::side, token_kept, token_retired, announced, explanation::json
    FROM unnest(
      ${arrayLiteral(column(({ id }) => id))}::uuid[], ${arrayLiteral(column(({ survivorId }) => survivorId))}::uuid[],
      ${arrayLiteral(column(({ retiredId }) => retiredId))}::uuid[], ${arrayLiteral(column(({ uid }) => uid))}::text[],
      ${arrayLiteral(column(({ claimant }) => claimant))}::text[],
      ${arrayLiteral(column(({ reason }) => reason))}::text[], ${arrayLiteral(column(({ trigger }) => trigger.source))}::text[],
      ${arrayLiteral(column(({ trigger }) => trigger.event))}::text[], ${arrayLiteral(column(({ trigger }) => trigger.id))}::text[],
      ${arrayLiteral(column(({ at }) => at))}::float8[], ${arrayLiteral(column(({ addresses }) => JSON.stringify(addresses)))}::text[],
      ${arrayLiteral(column(({ token }) => token.policy))}::text[], ${arrayLiteral(column(({ token }) => token.reason))}::text[],
      ${arrayLiteral(column(({ token }) => token.keep))}::text[],
      ${arrayLiteral(column(({ tokenKept }) => tokenKept))}::uuid[], ${arrayLiteral(column(({ tokenRetired }) => tokenRetired))}::uuid[],
      ${arrayLiteral(column(({ announced }) => announced))}::boolean[],
      ${arrayLiteral(column(({ explanation }) => JSON.stringify(explanation)))}::text[]
    ) WITH ORDINALITY AS x (id, survivor_id, retired_id, uid, claimant, reason, trigger_source, trigger_event, trigger_id,
      trigger_at, addresses, token_policy, token_reason, token_side, token_kept, token_retired, announced, explanation, nr)
    ORDER BY nr`;
}
