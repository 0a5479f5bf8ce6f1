/** All facts of a database, as rows from which a test can build `Facts` repeatedly. */
import {
  type AccountFacts,
  type AddressFacts,
  type Block,
  type Choice,
  type Claim,
  Facts,
  type UndoneMerge,
} from '../../src/contacts/facts/facts';
import type { Database } from '../../src/postgres/database';
import { ACCOUNT_COLUMNS, type AccountRow, accountFactsOf } from '../../src/postgres/tables/account';
import { loadAllClaims } from '../../src/postgres/tables/address-claim';
import { loadChoices } from '../../src/postgres/tables/choice';
import { loadBlocks } from '../../src/postgres/tables/claim-block';
import { ADDRESS_COLUMNS, type AddressRow, addressFactsOf } from '../../src/postgres/tables/email-address';
import { loadUndone } from '../../src/postgres/tables/merge';

export interface AllFacts {
  addresses: AddressFacts[];
  accounts: AccountFacts[];
  claims: Claim[];
  choices: Choice[];
  blocks: Block[];
  undone: UndoneMerge[];
}

export async function allFactsOf(db: Database): Promise<AllFacts> {
  const addresses = (await db.$queryRaw<AddressRow[]>`SELECT ${ADDRESS_COLUMNS} FROM email_address`).map(
    addressFactsOf,
  );
  const accounts = (await db.$queryRaw<AccountRow[]>`SELECT ${ACCOUNT_COLUMNS} FROM account`).map(accountFactsOf);
  const component = { addresses: addresses.map(({ address }) => address), uids: accounts.map(({ uid }) => uid) };
  return {
    addresses,
    accounts,
    claims: await loadAllClaims(db, component),
    choices: await loadChoices(db, component),
    blocks: await loadBlocks(db, component.uids),
    undone: await loadUndone(db, component.uids),
  };
}

/** The facts of some addresses and accounts. */
export function someOf(all: AllFacts, isWanted: (key: string) => boolean): AllFacts {
  return {
    addresses: all.addresses.filter(({ address }) => isWanted(address)),
    accounts: all.accounts.filter(({ uid }) => isWanted(uid)),
    claims: all.claims.filter(({ uid }) => isWanted(uid)),
    choices: all.choices.filter(({ origin }) => isWanted(origin.key)),
    blocks: all.blocks.filter(({ uid }) => isWanted(uid)),
    undone: all.undone.filter(({ uid }) => isWanted(uid)),
  };
}

export function factsFrom({ addresses, accounts, claims, choices, blocks, undone }: AllFacts): Facts {
  const facts = new Facts();
  for (const address of addresses) facts.addAddress(address);
  for (const account of accounts) facts.addAccount(account);
  for (const claim of claims) facts.addClaim(claim);
  for (const choice of choices) facts.addChoice(choice);
  for (const block of blocks) facts.addBlock(block);
  for (const merge of undone) facts.addUndone(merge);
  return facts;
}
