import type { Command } from 'commander';
import { readConfig } from '../config';
import type { ReleaseCommand } from '../contacts/command';
import { OperatorError } from '../operator-error';
import type { Database } from '../store/database';
import { countHeldClaims, type HeldClaims, type HeldFilter, listHeldClaims } from '../store/list-held-claims';
import { listWithoutAddress, type WithoutAddress } from '../store/list-without-address';
import type { ApplyOptions } from '../workers/apply-batch';
import { type ClaimOutcome, outcomeOf } from '../workers/claim-outcome';
import { observer } from '../workers/rollout';
import { applySteps } from './apply';
import { addressFrom, positive, uidFrom } from './keys';
import { shortTime } from './merge-text';
import { madeUpIn, outcomeBody, outcomeText } from './outcome-text';
import { makeProgress } from './progress';
import type { Context } from './run';
import { withStore } from './store';
import { harmless, write } from './terminal';

/** Pairs of account and address in one transaction. */
const PAGE = 100;
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
  $ onecontact collisions resolve`,
    );
  addList(collisions, context);
  addResolve(collisions, context);
}

// ---- list -----------------------------------------------------------------------------------------------------------

function addList(collisions: Command, context: Context): void {
  collisions
    .command('list')
    .description('List held claims by address and account, and live accounts that are left without an address')
    .option('--json', 'for machines: one JSON object a line, with kind "held" or "no_address"')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL, and TOKEN_POLICY as the service has it. For the first ${SAMPLE} pairs it tries out what resolving them
would do, each alone, in a transaction that is rolled back.

Examples:
  $ onecontact collisions list
  $ onecontact collisions list --json | jq 'select(.kind == "no_address")'`,
    )
    .action(async ({ json }: { json?: true }) => {
      const config = readConfig(context.env, ['database', 'merging']);
      const options = { tokenPolicy: config.tokenPolicy, observes: observer(config), dryRun: true };
      await withStore(context.env, async (db) => {
        const print = (body: object, text: string): Promise<void> =>
          write(context.stdout, json ? `${JSON.stringify(body)}\n` : text);
        let pairs = 0;
        for await (const held of heldClaims(db, {})) {
          const plan = pairs < SAMPLE ? await tryOut(db, held, options) : null;
          pairs += 1;
          await print(heldBody(held, plan), heldText(held, plan));
        }
        let accounts = 0;
        for await (const account of withoutAddress(db)) {
          accounts += 1;
          await print(withoutBody(account), withoutText(account));
        }
        if (!json) await write(context.stdout, summaryOfList(pairs, accounts));
      });
    });
}

async function* heldClaims(db: Database, filter: HeldFilter): AsyncIterable<HeldClaims> {
  for await (const page of heldPages(db, filter)) yield* page;
}

async function* heldPages(db: Database, filter: HeldFilter, limit = Infinity): AsyncIterable<HeldClaims[]> {
  let [after, left]: [HeldClaims | undefined, number] = [undefined, limit];
  while (left > 0) {
    const page: HeldClaims[] = await listHeldClaims(db, { ...filter, after, limit: Math.min(PAGE, left) });
    if (page.length === 0) return;
    yield page;
    after = page.at(-1);
    left -= page.length;
  }
}

async function* withoutAddress(db: Database): AsyncIterable<WithoutAddress> {
  for (let after: string | undefined; ; ) {
    const page: WithoutAddress[] = await listWithoutAddress(db, { after, limit: PAGE });
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.uid;
  }
}

const releaseOf = ({ uid, address }: HeldClaims): ReleaseCommand => ({ kind: 'release', uid, address });

interface Plan {
  result: ClaimOutcome;
  isMadeUp(contactId: string): boolean;
}

async function tryOut(db: Database, held: HeldClaims, options: ApplyOptions): Promise<Plan> {
  const applied = await applySteps(db, [releaseOf(held)], options);
  return { result: outcomeOf(applied, held.uid, held.address), isMadeUp: madeUpIn(applied) };
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
  plan: plan && outcomeBody(plan.result, plan.isMadeUp),
});

function heldText(held: HeldClaims, plan: Plan | null): string {
  const times = held.claims === 1 ? 'once' : `${held.claims} times, last ${shortTime(held.until)}`;
  const lines = [
    `${held.address}  claimed by account ${held.uid} since ${shortTime(held.since)} (${harmless(held.event)}, ${times})`,
    `  now with contact ${held.contactId ?? '-'}${held.contactUid === null ? ', which stands alone' : ` of account ${held.contactUid}`}`,
    ...(plan ? indent(['Resolving it would do this:', ...outcomeText(plan.result, plan.isMadeUp)]) : []),
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

const count = (n: number, thing: string): string => `${n.toLocaleString('en')} ${thing}${n === 1 ? '' : 's'}`;

// ---- resolve --------------------------------------------------------------------------------------------------------

function addResolve(collisions: Command, context: Context): void {
  const command = collisions
    .command('resolve')
    .description('Release held claims: they count from now on, and contacts follow')
    .argument('[uid]', 'only those of this account')
    .argument('[email]', 'only those on this address')
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--limit <n>', 'pairs of address and account at most', positive)
    .option('--json', 'for machines: the summary')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL, and TOKEN_POLICY as the service has it. Works in transactions of at most ${PAGE} pairs; it can be
interrupted, and run again for the rest. Merges are announced as always, by the running service. A dry run tries each
transaction alone: what an earlier one would have changed is not seen by a later one.

Examples:
  $ onecontact collisions resolve --dry-run
  $ onecontact collisions resolve --limit 1000
  $ onecontact collisions resolve 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test`,
    )
    .action(async (account: string | undefined, email: string | undefined, options: ResolveOptions) => {
      const filter = {
        uid: account === undefined ? undefined : uidFrom(command, account),
        address: email === undefined ? undefined : addressFrom(command, email).key,
      };
      const { tokenPolicy } = readConfig(context.env, ['database', 'merging']);
      await withStore(context.env, async (db) => {
        const dryRun = options.dryRun ?? false;
        const apply = { tokenPolicy, observes: () => false, dryRun };
        const summary = await resolve(db, filter, options.limit ?? Infinity, apply, context);
        if (summary.released === 0 && filter.uid !== undefined) {
          throw new OperatorError('No such claim is held: `onecontact collisions list` shows those that are.');
        }
        const body = { ...summary, dry_run: dryRun };
        await write(context.stdout, options.json ? `${JSON.stringify(body)}\n` : summaryText(summary, dryRun));
      });
    });
}

interface ResolveOptions {
  dryRun?: true;
  limit?: number;
  json?: true;
}

/** Of pairs of address and account. */
interface Summary {
  released: number;
  merged: number;
  /** The address is the account's now; nothing was merged. */
  moved: number;
  /** A later claim has the address, or the account is deleted, or had it anyway. */
  nothing: number;
}

const SUMMED: Record<ClaimOutcome['outcome'], Exclude<keyof Summary, 'released'>> = {
  merged: 'merged',
  moved: 'moved',
  joined: 'moved',
  added: 'moved',
  kept: 'nothing',
  not_taken: 'nothing',
  held: 'nothing',
  blocked: 'nothing',
};

async function resolve(
  db: Database,
  filter: HeldFilter,
  limit: number,
  apply: ApplyOptions,
  { stderr }: Context,
): Promise<Summary> {
  const progress = makeProgress(stderr);
  const summary: Summary = { released: 0, merged: 0, moved: 0, nothing: 0 };
  const total = stderr.isTTY ? Math.min(limit, await countHeldClaims(db, filter)) : 0; // seen by nobody else
  try {
    for await (const page of heldPages(db, filter, limit)) {
      const applied = await applySteps(db, page.map(releaseOf), apply);
      for (const { uid, address } of page) {
        // Somebody else may have released it in the meantime.
        if (!applied.standings.some((claim) => claim.uid === uid && claim.address === address)) continue;
        summary[SUMMED[outcomeOf(applied, uid, address).outcome]] += 1;
        summary.released += 1;
      }
      progress.show(`${summary.released.toLocaleString('en')} of ${total.toLocaleString('en')} pairs released`);
    }
  } finally {
    progress.clear();
  }
  return summary;
}

function summaryText({ released, merged, moved, nothing }: Summary, dryRun: boolean): string {
  if (released === 0) return 'No claim is held: nothing to do.\n';
  const what = dryRun ? 'would be released; nothing was changed yet' : 'released';
  return `${count(released, 'pair')} of address and account ${what}: ${merged} merged, ${moved} moved, ${nothing} took nothing.\n`;
}
