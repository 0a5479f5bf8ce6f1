import type { Command } from 'commander';
import { readConfig } from '../../config';
import type { ClaimEvent } from '../../contacts/facts/event';
import { asUuid } from '../../contacts/facts/lookup-key';
import type { UndoRefusal } from '../../contacts/merge/undo';
import { OperatorError } from '../../foundation/operator-error';
import { outcomeOf } from '../../ingest/claim-outcome';
import { observer } from '../../ingest/rollout';
import { type Applied, type ApplyOptions, applyBatch } from '../../ingest/transaction';
import type { Database } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { loadBlocks } from '../../postgres/tables/load-blocks';
import { recordOf, type StoredMerge } from '../../postgres/tables/merge-rows';
import { addressFrom, positive, uidFrom } from '../arguments';
import type { Context } from '../context';
import { harmless, table } from '../render';
import { withDatabase } from '../servers';
import { type FoundMerge, findMerge } from './find-merge';
import { listMerges } from './list-merges';
import { explanationBody, mergeBody, mergeText, shortTime } from './merge-text';
import { outcomeBody, outcomeText, provisionalIn } from './outcome-text';

export function addMerges(program: Command, context: Context): void {
  const merges = program
    .command('merges')
    .description('Look at merges, try one out, take one back')
    .addHelpText(
      'after',
      `
Examples:
  $ onecontact merges list --limit 50
  $ onecontact merges show 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11
  $ onecontact merges undo 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11 --dry-run`,
    );
  addList(merges, context);
  addShow(merges, context);
  addPreview(merges, context);
  addUndo(merges, context);
  addUnblock(merges, context);
}

// ---- list -----------------------------------------------------------------------------------------------------------

const PAGE = 500;

function addList(merges: Command, context: Context): void {
  const command = merges
    .command('list')
    .description('List the latest merges, newest first')
    .option('--limit <n>', 'merges at most', positive, 20)
    .option('--account <uid>', 'only those that this account was in, on either side')
    .option('--undone', 'only those that were undone')
    .option('--json', 'for machines: one JSON object a line')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL.

Examples:
  $ onecontact merges list
  $ onecontact merges list --account 9f3c1a7be2d84c06b5a1e0774cd2f8aa
  $ onecontact merges list --undone --limit 1000 --json`,
    )
    .action(async (options: { limit: number; account?: string; undone?: true; json?: true }) => {
      const uid = options.account === undefined ? undefined : uidFrom(command, options.account);
      await withDatabase(context.env, async (db) => {
        let left = options.limit;
        let before: bigint | undefined;
        while (left > 0) {
          const page = await listMerges(db, { limit: Math.min(left, PAGE), before, uid, undone: options.undone });
          if (page.length === 0) break;
          const isFirst = before === undefined;
          await context.print(options.json ? page.map(jsonLine).join('') : listText(page, isFirst));
          left -= page.length;
          before = page.at(-1)?.seq;
        }
        if (before === undefined && !options.json) await context.print('No merge is known.\n');
      });
    });
}

const storedBody = (merge: StoredMerge) => ({
  merge_id: merge.id,
  merged_at: merge.mergedAt.toISOString(),
  undone_at: merge.undoneAt?.toISOString() ?? null,
  ...mergeBody(merge),
});

const jsonLine = (merge: StoredMerge): string => `${JSON.stringify(storedBody(merge))}\n`;

function listText(merges: readonly StoredMerge[], withHead: boolean): string {
  const rows = merges.map(({ id, mergedAt, undoneAt, reason, uid, addresses }) => [
    id,
    shortTime(mergedAt),
    (undoneAt ? `${reason}, undone` : reason).padEnd('recreated, undone'.length),
    uid,
    addresses.join(', '),
  ]);
  const lines = table([['merge', 'merged (UTC)', 'reason', 'account', 'addresses that came'], ...rows]);
  return `${lines.slice(withHead ? 0 : 1).join('\n')}\n`;
}

// ---- show -----------------------------------------------------------------------------------------------------------

function addShow(merges: Command, context: Context): void {
  const command = merges
    .command('show')
    .description('Explain a merge: why, which values won, what lost, which token stayed')
    .argument('<id>', "the ledger's id: the message id of contact.merged")
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Times in the table are UTC. With --json, "why" is one of: only, same, later, greater,
value_before_null, refusal, opt_out, unconfirmed, proven, left_behind.

Examples:
  $ onecontact merges show 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11
  $ onecontact merges show --json 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11`,
    )
    .action(async (text: string, { json }: { json?: true }) => {
      const id = mergeId(command, text);
      await withDatabase(context.env, async (db) => {
        const merge = await mustFind(db, id);
        await context.print(json ? `${JSON.stringify(foundBody(merge))}\n` : showText(merge));
      });
    });
}

function mergeId(command: Command, text: string): string {
  return asUuid(text.trim()) ?? command.error('error: the id is no uuid; `onecontact merges list` shows ids');
}

async function mustFind(db: Database, id: string): Promise<FoundMerge> {
  const merge = await findMerge(db, id);
  if (!merge) throw new OperatorError('No merge has this id: `onecontact merges list` shows ids.');
  return merge;
}

const foundBody = (merge: FoundMerge) => ({
  ...storedBody(merge),
  survivor_state: merge.contacts.survivor.state,
  retired_state: merge.contacts.retired.state,
  blocked_addresses: merge.blocked,
  explanation: merge.explanation && explanationBody(merge.explanation),
});

function showText(merge: FoundMerge): string {
  const { trigger, contacts, undoneAt, blocked } = merge;
  const survivor = contacts.survivor.mergedInto ? `merged on into contact ${contacts.survivor.mergedInto}` : null;
  const lines = [
    `Merge ${merge.id}, ${merge.mergedAt.toISOString()}`,
    `by ${harmless(trigger.event)} of ${new Date(merge.at).toISOString()} (${trigger.source}, id ${harmless(trigger.id)})`,
    '',
    ...mergeText(merge),
    '',
    merge.announced
      ? 'Announced by contact.merged, whose message id is that of the merge.'
      : 'Not announced: nobody had seen the retired contact yet, or it was resolved with --no-announce.',
    ...(survivor ? [`The survivor is ${survivor} by now.`] : []),
    ...(undoneAt
      ? [`Undone ${undoneAt.toISOString()}: the retired contact lives again, and each side has the token it had.`]
      : [`Not undone. To see what undoing it would do: \`onecontact merges undo ${merge.id} --dry-run\`.`]),
    ...(blocked.length > 0
      ? [`Claims of the account on ${blocked.join(', ')} do not count until \`onecontact merges unblock\`.`]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

// ---- preview --------------------------------------------------------------------------------------------------------

/** With the store, and with the options of the service. */
function withMerging(
  { env }: Context,
  dryRun: boolean,
  work: (db: Database, options: ApplyOptions) => Promise<void>,
): Promise<void> {
  const config = readConfig(env, ['database', 'merging']);
  const options = { tokenPolicy: config.tokenPolicy, observes: observer(config), dryRun };
  return withDatabase(env, (db) => work(db, options));
}

function addPreview(merges: Command, context: Context): void {
  const command = merges
    .command('preview')
    .description('Show what would happen if an account claimed an address now; changes nothing')
    .argument('<uid>', 'the account; one that is not known is fine')
    .argument('<email>', 'the address; one that is not known is fine')
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL, and TOKEN_POLICY, MERGE_MODE and MERGE_PERCENT as the service has them. Runs the same code as the
service in a transaction that is rolled back. With --json, "outcome" is one of: merged, moved, joined, added, kept,
not_taken, held, blocked.

Examples:
  $ onecontact merges preview 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test
  $ TOKEN_POLICY=account onecontact merges preview --json 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test`,
    )
    .action(async (account: string, email: string, { json }: { json?: true }) => {
      const uid = uidFrom(command, account);
      const address = addressFrom(command, email);
      await withMerging(context, true, async (db, options) => {
        const claim: ClaimEvent = {
          kind: 'claim',
          trigger: { source: 'fxa', event: 'primaryEmailChanged', id: 'preview' },
          at: Date.now(),
          uid,
          address,
          newsletters: [],
        };
        const applied = await retryTransient(() => applyBatch(db, [claim], options));
        const result = outcomeOf(applied, uid, address.key);
        // Held tells little: what comes after the decision is what somebody wants to see.
        const released =
          result.outcome === 'held'
            ? await retryTransient(() => applyBatch(db, [claim], { ...options, observes: () => false }))
            : null;
        const told = { uid, address: address.key, applied, released };
        await context.print(json ? `${JSON.stringify(previewBody(told))}\n` : previewText(told));
      });
    });
}

interface Preview {
  uid: string;
  address: string;
  applied: Applied;
  /** What would be if the claim were released; null when it is not held. */
  released: Applied | null;
}

function previewBody({ uid, address, applied, released }: Preview) {
  const bodyOf = (it: Applied) => outcomeBody(outcomeOf(it, uid, address), provisionalIn(it));
  return { account_id: uid, address, ...bodyOf(applied), ...(released && { released: bodyOf(released) }) };
}

function previewText({ uid, address, applied, released }: Preview): string {
  const textOf = (it: Applied): string[] => outcomeText(outcomeOf(it, uid, address), provisionalIn(it));
  const lines = [
    `If account ${uid} claimed ${address} now:`,
    '',
    ...textOf(applied),
    ...(released ? ['', 'Once released by `onecontact collisions resolve`:', '', ...textOf(released)] : []),
    '',
    'Nothing was changed.',
  ];
  return `${lines.join('\n')}\n`;
}

// ---- undo -----------------------------------------------------------------------------------------------------------

function addUndo(merges: Command, context: Context): void {
  const command = merges
    .command('undo')
    .description('Take a merge back: the retired contact and its token live again')
    .argument('<id>', "the ledger's id: the message id of contact.merged")
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL and TOKEN_POLICY. From then on claims of the account on the merge's addresses do not count, until
\`onecontact merges unblock\`. Answers undone or already_undone with exit 0; with 1 when it cannot be: superseded (a later
merge hangs on it, or the address is with another account by now) or empty (a side would be left with nothing).

Examples:
  $ onecontact merges undo 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11 --dry-run
  $ onecontact merges undo 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11`,
    )
    .action(async (text: string, { dryRun = false, json }: { dryRun?: boolean; json?: true }) => {
      const id = mergeId(command, text);
      await withMerging(context, dryRun, async (db, options) => {
        const merge = await mustFind(db, id);
        const applied = await retryTransient(() =>
          applyBatch(db, [{ kind: 'undo', at: Date.now(), merge: recordOf(merge) }], options),
        );
        const result = applied.refusal ?? 'undone';
        if (json) {
          const body = {
            merge_id: id,
            result,
            dry_run: dryRun,
            ...(!applied.refusal && restoredSides(merge, applied, dryRun)),
          };
          await context.print(`${JSON.stringify(body)}\n`);
        }
        if (result === 'superseded' || result === 'empty') throw new OperatorError(refusalText(result));
        if (!json) await context.print(undoText(result, merge, applied, dryRun));
      });
    });
}

function refusalText(refusal: UndoRefusal): string {
  if (refusal === 'superseded') {
    return (
      'superseded: a later merge of this contact hangs on it, or an address that came is with another account by now. ' +
      'Undo the later merges first: `onecontact merges list --account UID` shows them.'
    );
  }
  return (
    'empty: one of the two contacts would be left with neither an address nor a live account, or an address would go ' +
    'to a third one. It stays merged; the owner of the address can prove it with an account of its own, which moves it.'
  );
}

/** Who has what again. A token that would be made has no value yet: it is null. */
function restoredSides(
  { survivorId, retiredId, addresses }: FoundMerge,
  { tokens, contacts }: Applied,
  dryRun: boolean,
) {
  const side = (id: string) => {
    const token = contacts.changed.find((contact) => contact.id === id)?.token?.id ?? null;
    const isProvisional = dryRun && tokens.issued.some((issued) => issued.id === token);
    return { contact_id: id, basket_token: isProvisional ? null : token };
  };
  return { restored: { ...side(retiredId), addresses }, survivor: side(survivorId) };
}

function undoText(result: 'undone' | 'already_undone', merge: FoundMerge, applied: Applied, dryRun: boolean): string {
  if (result === 'already_undone') return 'already_undone: nothing to do.\n';
  const { restored, survivor } = restoredSides(merge, applied, dryRun);
  const token = (id: string | null): string => (id ? `token ${id}` : 'a new token');
  const lines = [
    dryRun ? 'It can be undone; nothing was changed yet.' : 'undone',
    `Contact ${restored.contact_id} lives again, with ${restored.addresses.join(', ')} and ${token(restored.basket_token)}.`,
    `Contact ${survivor.contact_id} stays with account ${merge.uid} and ${token(survivor.basket_token)}.`,
    `Claims of the account on ${restored.addresses.join(', ')} do not count until \`onecontact merges unblock\`.`,
  ];
  return `${lines.join('\n')}\n`;
}

// ---- unblock --------------------------------------------------------------------------------------------------------

function addUnblock(merges: Command, context: Context): void {
  const command = merges
    .command('unblock')
    .description("Let an account's claims on an address count again, after an undo; this may merge again")
    .argument('<uid>', 'the account')
    .argument('<email>', 'the address')
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL and TOKEN_POLICY. Claims that came in the meantime count as well: if the account proved the address,
the contacts are merged again at once, under a new id, and this is announced.

Examples:
  $ onecontact merges unblock 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test --dry-run
  $ onecontact merges unblock 9f3c1a7be2d84c06b5a1e0774cd2f8aa ada@mail.test`,
    )
    .action(async (account: string, email: string, { dryRun = false, json }: { dryRun?: boolean; json?: true }) => {
      const uid = uidFrom(command, account);
      const address = addressFrom(command, email).key;
      await withMerging(context, dryRun, async (db, options) => {
        const blocks = await loadBlocks(db, [uid]);
        if (!blocks.some((block) => block.address === address)) {
          throw new OperatorError('No claims of this account on this address are blocked: nothing to do.');
        }
        const applied = await retryTransient(() => applyBatch(db, [{ kind: 'unblock', uid, address }], options));
        const result = outcomeOf(applied, uid, address);
        const isProvisional = dryRun ? provisionalIn(applied) : () => false;
        const text = [
          dryRun ? 'The claims would count again; nothing was changed yet.' : 'unblocked: the claims count again.',
          ...outcomeText(result, isProvisional),
        ];
        const outcome = outcomeBody(result, isProvisional);
        const body = { account_id: uid, address, result: 'unblocked', dry_run: dryRun, ...outcome };
        await context.print(json ? `${JSON.stringify(body)}\n` : `${text.join('\n')}\n`);
      });
    });
}
