import type { ContactState } from '../../contacts/identity/contact-index';
import type { Explanation } from '../../contacts/merge/explain';
import type { Database } from '../../postgres/database';
import { type ExplainedStoredMerge, storedMergeOf } from '../../postgres/tables/merge-rows';

export interface FoundMerge extends ExplainedStoredMerge {
  /** What the two contacts are now. */
  contacts: Record<'survivor' | 'retired', { state: ContactState; mergedInto: string | null }>;
  /** Addresses on which the account's claims do not count, since the merge was undone. */
  blocked: string[];
}

/** One merge with everything that there is to tell of it. Null for an unknown id. */
export async function findMerge(db: Database, id: string): Promise<FoundMerge | null> {
  const contact = { select: { state: true, mergedInto: true } } as const;
  const row = await db.merge.findUnique({
    where: { id },
    include: {
      survivor: contact,
      retired: contact,
      blocks: { select: { address: true }, orderBy: { address: 'asc' } },
    },
  });
  if (!row) return null;
  const { survivor, retired, blocks, explanation, ...merge } = row;
  return {
    ...storedMergeOf(merge),
    explanation: explanation as unknown as Explanation | null,
    contacts: { survivor, retired },
    blocked: blocks.map(({ address }) => address),
  };
}
