/**
 * What a `set` refuses. It is stored as one fact, because a `set` does not know most of the newsletters that it
 * refuses.
 */
import { hash } from 'node:crypto';

/** Either exactly these newsletters are refused, or all but these. Sorted. */
export type Refused = { only: readonly string[] } | { all_but: readonly string[] };

/**
 * What "exactly these newsletters" refuses.
 *
 * @param among the newsletters that the reader chose from; undefined for all
 * @returns undefined if nothing is
 */
export function refusedBy(listed: readonly string[], among: readonly string[] | undefined): Refused | undefined {
  if (among === undefined) return { all_but: [...listed].sort() };
  const refused = new Set(among);
  for (const newsletter of listed) refused.delete(newsletter);
  return refused.size > 0 ? { only: [...refused].sort() } : undefined;
}

export const isRefusedBy = (refused: Refused, newsletter: string): boolean =>
  'only' in refused ? refused.only.includes(newsletter) : !refused.all_but.includes(newsletter);

/**
 * The key of a set, in place of a newsletter's name, which never begins with a space. Two sets of one moment are both
 * stored, so whatever either of them refuses is refused, in any order.
 */
export const setKey = (refused: Refused): string => ` set ${hash('sha256', JSON.stringify(refused), 'base64url')}`;
