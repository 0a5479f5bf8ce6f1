import type { Queries } from '../../postgres/database';
import { inOneStatement } from '../../postgres/one-statement';
import { accountRows } from '../../postgres/tables/account-rows';
import { updateAddresses } from '../../postgres/tables/save-addresses';
import { insertChoices } from '../../postgres/tables/save-choices';
import { insertClaims } from '../../postgres/tables/save-claims';
import type { ErasurePlan } from './plan';

/** Rows that were deleted. */
export interface ErasedFacts {
  addresses: number;
  accounts: number;
  claims: number;
  choices: number;
}

/**
 * Deletes the facts of a person, and writes what others need instead, under names that are nobody's.
 *
 * @param contactOf the contact of each address that is another's and stays.
 */
export async function saveErasure(
  tx: Queries,
  { addresses, uids, choices, profiles, instead }: ErasurePlan,
  contactOf: (address: string) => string,
): Promise<ErasedFacts> {
  const erased = {
    addresses: await tx.$executeRaw`DELETE FROM email_address WHERE address = ANY (${addresses}::text[])`,
    accounts: await tx.$executeRaw`DELETE FROM account WHERE uid = ANY (${uids}::text[])`,
    claims: await tx.$executeRaw`
      DELETE FROM address_claim WHERE address = ANY (${addresses}::text[]) OR uid = ANY (${uids}::text[])`,
    choices:
      (await tx.$executeRaw`
        DELETE FROM choice
        WHERE (origin_kind = 'address' AND origin = ANY (${addresses}::text[]))
           OR (origin_kind = 'account' AND origin = ANY (${uids}::text[]))`) +
      (await tx.$executeRaw`
        DELETE FROM choice AS known
        USING unnest(
          ${choices.map(({ origin }) => origin.key)}::text[], ${choices.map(({ newsletter }) => newsletter)}::text[],
          ${choices.map(({ at }) => at)}::float8[]
        ) AS x (origin, newsletter, at)
        WHERE known.origin = x.origin AND known.origin_kind = 'address' AND known.newsletter = x.newsletter
          AND known.at = to_timestamp(x.at / 1000)`),
  };
  await tx.$executeRaw`
    INSERT INTO account (uid, deleted_at)
    SELECT uid, deleted_at FROM ${accountRows(instead.accounts.map((facts) => ({ facts, contactId: null })))}`;
  await inOneStatement(tx, [
    updateAddresses(profiles.map((facts) => ({ facts, contactId: contactOf(facts.address) }))),
    insertClaims(instead.claims),
    insertChoices(instead.choices),
  ]);
  return erased;
}
