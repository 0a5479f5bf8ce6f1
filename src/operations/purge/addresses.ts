import type { Time } from '../../contacts/facts/event';
import type { Transaction } from '../../postgres/database';
import { Prisma } from '../../postgres/generated/prisma/client';
import { deleteSuperseded, supersededChoices } from './choices';
import { claimsBetween, deleteClaimsBetween } from './claims';
import type { Page } from './pages';
import type { Purged } from './step';

/** Compacts what is known at the addresses of a page: claims first, for they keep choices apart. */
export async function purgeAddresses(tx: Transaction, page: Page, before: Time): Promise<Partial<Purged>> {
  const addresses = await lock(tx, page, before);
  if (addresses.length === 0) return {};
  return {
    claims: await deleteClaimsBetween(tx, addresses, before),
    choices: await deleteSuperseded(tx, 'address', addresses, before),
  };
}

/**
 * Locks the addresses of a page that have something to compact, in the order of `lockAddresses`. Whoever works on claims or
 * choices of an address holds its lock; what to delete is looked up again under it.
 */
async function lock(tx: Transaction, { after, last }: Page, before: Time): Promise<string[]> {
  const within = (column: string) => {
    const key = Prisma.raw(column);
    return Prisma.sql`${key} > ${after} AND ${key} <= ${last}`;
  };
  const rows = await tx.$queryRaw<{ address: string }[]>`
    SELECT address FROM email_address
    WHERE ${within('address')} AND address IN (
      SELECT address FROM ${claimsBetween(within('address'), before)} AS claim
      UNION SELECT origin FROM ${supersededChoices('address', within('origin'), before)} AS choice)
    ORDER BY address FOR NO KEY UPDATE`;
  return rows.map(({ address }) => address);
}
