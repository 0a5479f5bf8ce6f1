import type { Queries } from '../postgres/database';
import { Prisma } from '../postgres/generated/prisma/client';
import { deleteRepeatedChoices, repeatedChoices } from './choices';
import { claimsBetween, deleteClaimsBetween, markContinuing, unmarkedClaims } from './claims';
import { isFull, type Limits, type Page, type Step, within } from './page';

/** Compacts the facts at the addresses of a page. Claims come first, because they separate choices. */
export const compactAddresses: Step = async (tx, page, limits) => {
  const addresses = await lockAddresses(tx, page, limits);
  if (addresses.length === 0) return {};
  const marked = await markContinuing(tx, addresses, limits);
  const claims = await deleteClaimsBetween(tx, addresses, limits);
  if (isFull(marked, limits) || isFull(claims, limits)) return { claims, more: true };
  const choices = await deleteRepeatedChoices(tx, 'address', addresses, limits);
  return { claims, choices, more: isFull(choices, limits) };
};

/**
 * Locks the addresses of a page that have something to compact, in the same order as `lockAndLoad`. Every transaction
 * that works on an address's claims or choices holds its lock; what to delete is looked up again under it.
 */
async function lockAddresses(tx: Queries, page: Page, limits: Limits): Promise<string[]> {
  const address = Prisma.sql`email_address.address`;
  const rows = await tx.$queryRaw<{ address: string }[]>`
    SELECT address FROM email_address
    WHERE ${within('address', page)} AND (
      EXISTS (SELECT FROM ${unmarkedClaims(address)} AS unmarked)
      OR EXISTS (SELECT FROM ${claimsBetween(address, limits)} AS useless)
      OR EXISTS (SELECT FROM ${repeatedChoices('address', address, limits)} AS repeated))
    ORDER BY address FOR NO KEY UPDATE`;
  return rows.map((row) => row.address);
}
