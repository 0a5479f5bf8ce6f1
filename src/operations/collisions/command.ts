import type { Command } from 'commander';
import { readConfig } from '../../config';
import { type ClaimOutcome, outcomeOf } from '../../ingest/claim-outcome';
import { observer } from '../../ingest/rollout';
import { type ApplyOptions, applyBatch } from '../../ingest/transaction';
import type { Database } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { positive } from '../arguments';
import type { Context } from '../context';
import { shortTime } from '../merges/merge-text';
import { outcomeBody, outcomeText, provisionalIn } from '../merges/outcome-text';
import { count, harmless } from '../render';
import { withDatabase } from '../servers';
import { countHeldClaims, type HeldClaims, heldPages } from './list-held-claims';
import { listWithoutAddress, type WithoutAddress } from './list-without-address';
import { addResolve } from './resolve-command';
import { releaseOf } from './run';

/** Pairs of account and address that are listed at once. */
const PAGE = 500;
/** For so many of the first pairs `list` tries out what resolving them would do. */
const SAMPLE = 10;

export function addCollisions(program: Command, context: Context): void {
  const collisions = program
    .command('collisions')
    .description('Look at claims that wait for a decision, and decide')
    .addHelpText(
      'after',
      `
Examples:
  $ onecontact collisions list
  $ onecontact collisions resolve --dry-run
  $ onecontact collisions resolve --rate 200`,
    );
  addList(collisions, context);
  addResolve(collisions, context);
}

// ---- list -----------------------------------------------------------------------------------------------------------

function addList(collisions: Command, context: Context): void {
  collisions
    .command('list')
    .description('List held claims by address and account, and live accounts that are left without an address')
    .option('--limit <n>', 'of each kind list so many at most; the counts are of all', positive)
    .option('--json', 'for machines: one JSON object a line, with kind "held" or "no_address"')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL, and TOKEN_POLICY as the service has it. For the first ${SAMPLE} pairs it tries out what resolving them
would do, each alone, in a transaction that is rolled back.

Examples:
  $ onecontact collisions list --limit 10
  $ onecontact collisions list --json | jq 'select(.kind == "no_address")'`,
    )
    .action(async ({ limit = Number.POSITIVE_INFINITY, json }: { limit?: number; json?: true }) => {
      const config = readConfig(context.env, ['database', 'merging']);
      const options = { tokenPolicy: config.tokenPolicy, observes: observer(config), dryRun: true };
      await withDatabase(context.env, async (db) => {
        const print = (body: object, text: string): Promise<void> =>
          context.print(json ? `${JSON.stringify(body)}\n` : text);
        let pairs = 0;
        for await (const held of heldClaims(db, limit)) {
          const plan = pairs < SAMPLE ? await tryOut(db, held, options) : null;
          pairs += 1;
          await print(heldBody(held, plan), heldText(held, plan));
        }
        let accounts = 0;
        for await (const account of withoutAddress(db)) {
          accounts += 1;
          if (accounts > limit) continue;
          await print(withoutBody(account), withoutText(account));
        }
        if (json) return;
        if (pairs === limit) pairs = await countHeldClaims(db, {});
        await context.print(summaryOfList(pairs, accounts));
      });
    });
}

async function* heldClaims(db: Database, limit: number): AsyncIterable<HeldClaims> {
  for await (const page of heldPages(db, {}, { size: PAGE, limit })) yield* page;
}

async function* withoutAddress(db: Database): AsyncIterable<WithoutAddress> {
  for (let after: string | undefined; ; ) {
    const page: WithoutAddress[] = await listWithoutAddress(db, { after, limit: PAGE });
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.uid;
  }
}

interface Plan {
  result: ClaimOutcome;
  isProvisional(contactId: string): boolean;
}

async function tryOut(db: Database, held: HeldClaims, options: ApplyOptions): Promise<Plan> {
  const applied = await retryTransient(() => applyBatch(db, [releaseOf(held)], options));
  return { result: outcomeOf(applied, held.uid, held.address), isProvisional: provisionalIn(applied) };
}

const heldBody = (held: HeldClaims, plan: Plan | null) => ({
  kind: 'held',
  address: held.address,
  account_id: held.uid,
  claims: held.claims,
  since: new Date(held.since).toISOString(),
  until: new Date(held.until).toISOString(),
  event: held.event,
  contact_id: held.contactId,
  contact_account_id: held.contactUid,
  plan: plan && outcomeBody(plan.result, plan.isProvisional),
});

function heldText(held: HeldClaims, plan: Plan | null): string {
  const times = held.claims === 1 ? 'once' : `${held.claims} times, last ${shortTime(held.until)}`;
  const lines = [
    `${held.address}  claimed by account ${held.uid} since ${shortTime(held.since)} (${harmless(held.event)}, ${times})`,
    `  now with contact ${held.contactId ?? '-'}${held.contactUid === null ? ', which stands alone' : ` of account ${held.contactUid}`}`,
    ...(plan ? indent(['Resolving it would do this:', ...outcomeText(plan.result, plan.isProvisional)]) : []),
    '',
  ];
  return `${lines.join('\n')}\n`;
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => (line === '' ? '' : `  ${line}`));

const withoutBody = (account: WithoutAddress) => ({
  kind: 'no_address',
  account_id: account.uid,
  contact_id: account.contactId,
  last_claimed: account.address,
  claimed_at: account.claimedAt === null ? null : new Date(account.claimedAt).toISOString(),
  now_with_contact: account.holderId,
});

function withoutText({ uid, contactId, address, claimedAt, holderId }: WithoutAddress): string {
  const last =
    address === null || claimedAt === null
      ? 'No claim of it is known.'
      : `It last claimed ${address} (${shortTime(claimedAt)}), now with contact ${holderId ?? '-'}.`;
  return `Account ${uid} has no address, only contact ${contactId}.\n  ${last}\n\n`;
}

function summaryOfList(pairs: number, accounts: number): string {
  const held =
    pairs === 0
      ? 'No claim is held.'
      : `${count(pairs, 'pair')} of address and account ${pairs === 1 ? 'waits' : 'wait'}: \`onecontact collisions resolve\` releases them.`;
  const left =
    accounts === 0
      ? 'No live account is without an address.'
      : `${count(accounts, 'live account')} without an address: for review; the next claim settles it.`;
  return `${held}\n${left}\n`;
}
