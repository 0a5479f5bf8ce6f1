import type { Explanation } from '../contacts/explain';
import type { MergePlan } from '../contacts/merge';
import type { Queries } from './database';

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
      ${column(({ id }) => id)}::uuid[], ${column(({ survivorId }) => survivorId)}::uuid[],
      ${column(({ retiredId }) => retiredId)}::uuid[], ${column(({ uid }) => uid)}::text[],
      ${column(({ claimant }) => claimant)}::text[],
      ${column(({ reason }) => reason)}::text[], ${column(({ trigger }) => trigger.source)}::text[],
      ${column(({ trigger }) => trigger.event)}::text[], ${column(({ trigger }) => trigger.id)}::text[],
      ${column(({ at }) => at)}::float8[], ${column(({ addresses }) => JSON.stringify(addresses))}::text[],
      ${column(({ token }) => token.policy)}::text[], ${column(({ token }) => token.reason)}::text[],
      ${column(({ token }) => token.keep)}::text[],
      ${column(({ tokenKept }) => tokenKept)}::uuid[], ${column(({ tokenRetired }) => tokenRetired)}::uuid[],
      ${column(({ announced }) => announced)}::boolean[],
      ${column(({ explanation }) => JSON.stringify(explanation))}::text[]
    ) WITH ORDINALITY AS x (id, survivor_id, retired_id, uid, claimant, reason, trigger_source, trigger_event, trigger_id,
      trigger_at, addresses, token_policy, token_reason, token_side, token_kept, token_retired, announced, explanation, nr)
    ORDER BY nr`;
}
