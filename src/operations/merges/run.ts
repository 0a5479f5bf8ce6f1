import type { ChangeSet } from '../../contacts/change-recorder';
import type { ClaimEvent } from '../../contacts/facts/event';
import type { MergeDetails } from '../../contacts/merge/explain';
import type { Side } from '../../contacts/merge/token-policy';
import type { UndoRefusal } from '../../contacts/merge/undo';
import type { StoredContact } from '../../contacts/profile/contact-snapshot';
import { OperatorError } from '../../foundation/operator-error';
import { type ApplyOptions, applyBatch } from '../../ingest/apply/transaction';
import type { Database, Transaction } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { loadSnapshots } from '../../postgres/look-ups/find-contact';
import { addToAudit } from '../../postgres/tables/audit';
import { loadBlocks } from '../../postgres/tables/claim-block';
import { findMerge, listMerges, type MergeFilter } from '../../postgres/tables/merge';
import type { Author } from '../audited';
import { type ClaimOutcome, outcomeOf } from '../claim-outcome';
import { type ConfirmedOptions, checkedEffect } from '../previewed';

const PAGE = 500;

/** Merges from the ledger in pages, newest first. */
export async function* mergePages(db: Database, { limit, ...filter }: Omit<MergeFilter, 'before'>) {
  let left = limit;
  let before: bigint | undefined;
  while (left > 0) {
    const page = await listMerges(db, { ...filter, limit: Math.min(left, PAGE), before });
    if (page.length === 0) return;
    yield page;
    left -= page.length;
    before = page.at(-1)?.seq;
  }
}

export async function requireMerge(db: Database, id: string): Promise<MergeDetails> {
  const merge = await findMerge(db, id);
  if (!merge) throw new OperatorError('No merge has this id: `onecontact merges list` shows the ids.');
  return merge;
}

export interface Preview {
  outcome: ClaimOutcome;
  /** The outcome of releasing the claim; null when it would not be held. */
  released: ClaimOutcome | null;
}

/** What would happen if an account claimed an address now. Changes nothing. */
export async function previewClaim(
  db: Database,
  { uid, address }: Pick<ClaimEvent, 'uid' | 'address'>,
  options: ApplyOptions,
): Promise<Preview> {
  const claim: ClaimEvent = {
    kind: 'claim',
    trigger: { source: 'fxa', event: 'primaryEmailChanged', id: 'preview' },
    at: Date.now(),
    uid,
    address,
    newsletters: [],
  };
  const preview = async (observes: ApplyOptions['observes']): Promise<ClaimOutcome> => {
    const applied = await retryTransient(() => applyBatch(db, [claim], { ...options, observes, dryRun: true }));
    return outcomeOf(applied, uid, address.key, true);
  };
  const outcome = await preview(options.observes);
  return { outcome, released: outcome.outcome === 'held' ? await preview(() => false) : null };
}

export interface UndoResult {
  result: 'undone' | 'already_undone' | UndoRefusal;
  merge: MergeDetails;
  /** The token that a contact has after the undo; null for a token that a dry run issued, which does not exist. */
  tokenOf(contactId: string): string | null;
  /** Both contacts after the undo; null if there is none. */
  after: Record<Side, StoredContact> | null;
  effect: string | null;
}

/** @throws EffectChanged */
export async function undoMerge(
  db: Database,
  id: string,
  author: Author,
  { seen, ...options }: ConfirmedOptions,
): Promise<UndoResult> {
  const merge = await requireMerge(db, id);
  const at = Date.now();
  const target = {
    merge_id: id,
    account_id: merge.uid,
    addresses: merge.addresses,
    trigger_event_id: merge.trigger.id,
  };
  const entry = { ...author, command: 'merges undo' as const, target, result: { result: 'undone' } };
  let undo: Pick<UndoResult, 'after' | 'effect'> = { after: null, effect: null };
  const alsoSave = async (tx: Transaction, changes: ChangeSet): Promise<void> => {
    const effect = checkedEffect(changes, seen);
    await addToAudit(tx, entry);
    const [survivor, retired] = await loadSnapshots(tx, [merge.survivorId, merge.retiredId]);
    undo = { after: survivor && retired ? { survivor, retired } : null, effect };
  };
  const applied = await retryTransient(() => applyBatch(db, [{ kind: 'undo', at, merge }], { ...options, alsoSave }));
  const { refusal, contacts, tokens } = applied;
  const tokenOf = (contactId: string): string | null => {
    const token = contacts.changed.find((contact) => contact.id === contactId)?.token?.id ?? null;
    return options.dryRun && tokens.issued.some((issued) => issued.id === token) ? null : token;
  };
  return { result: refusal ?? 'undone', merge, tokenOf, ...undo };
}

export interface UnblockResult {
  outcome: ClaimOutcome;
  effect: string | null;
}

/** @throws EffectChanged */
export async function unblockClaims(
  db: Database,
  { uid, address }: { uid: string; address: string },
  author: Author,
  { seen, ...options }: ConfirmedOptions,
): Promise<UnblockResult> {
  const blocks = await loadBlocks(db, [uid]);
  const block = blocks.find((block) => block.address === address);
  if (!block) throw new OperatorError('No claims of this account on this address are blocked: nothing to do.');
  const target = { merge_id: block.mergeId, account_id: uid, email: address };
  const entry = { ...author, command: 'merges unblock' as const, target, result: { result: 'unblocked' } };
  let effect: string | null = null;
  const alsoSave = async (tx: Transaction, changes: ChangeSet): Promise<void> => {
    effect = checkedEffect(changes, seen);
    await addToAudit(tx, entry);
  };
  const applied = await retryTransient(() =>
    applyBatch(db, [{ kind: 'unblock', uid, address }], { ...options, alsoSave }),
  );
  return { outcome: outcomeOf(applied, uid, address, options.dryRun ?? false), effect };
}
