import { type ApplyOptions, applyBatch } from '../../ingest/transaction';
import type { Database } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { forgetProgress, saveLinesDone } from '../../postgres/tables/import-progress';
import type { Input } from './input';
import { type Line, LineSplitter } from './line-splitter';
import type { Admission } from './plan';
import { isUnreadable, readRecord, type Unreadable } from './read-record';
import type { ImportRecord } from './record';
import type { Reject, RejectsFile } from './rejects';
import { type ImportedBatch, importRecords } from './store';

/** Bytes of a line at most; longer ones are rejected. */
export const MAX_LINE = 1024 * 1024;
/** Records, and bytes of their lines, in one transaction at most. */
const BATCH = 1_000;
const BATCH_BYTES = 8 * MAX_LINE;
/** Batches, and so connections, at once: the database works on some while the next one is read and decided. */
export const SLOTS = 3;
/** Batches after which it is noted how far the run has come: all that a run that was killed may have to do again. */
const NOTED = 5;

export interface ImportSummary {
  /** Lines passed over, because an earlier run had done them. */
  resumed: number;
  /** Lines that held something. */
  records: number;
  imported: number;
  /** Of which the contact was here already. */
  known: number;
  /** Dropped: their people were erased since. */
  erased: number;
  /** Of these records nothing was taken; by reason. */
  rejected: Record<string, number>;
  /** What these records say was taken, but not their id or token; by reason. */
  partly: Record<string, number>;
  /** Claims that wait for a decision since this run. */
  held: number;
}

export interface ImportRun {
  input: Input;
  rejects: RejectsFile;
  erasureKey: string | null;
  tokenPolicy: ApplyOptions['tokenPolicy'];
  dryRun: boolean;
  /** Lines that an earlier run has done. */
  after: number;
  onBatch(summary: Readonly<ImportSummary>): void;
}

interface Batch {
  /** The last line of it, or of the empty ones after it. */
  lastLine: number;
  records: { line: number; record: ImportRecord; bytes: Buffer }[];
  unreadable: Reject[];
}

/**
 * Imports what comes in, batch by batch, in constant memory: it reads no further than it has got. How far all batches
 * from the beginning have come is noted behind them, so that a run that is cut off at any point goes on from there; what
 * it does again changes nothing.
 */
export async function importInput(db: Database, run: ImportRun): Promise<ImportSummary> {
  const { input, rejects, dryRun, after } = run;
  const source = dryRun ? null : input.fingerprint;
  const nothing = { records: 0, imported: 0, known: 0, erased: 0, held: 0 };
  const summary: ImportSummary = { resumed: after, ...nothing, rejected: {}, partly: {} };
  let [done, noted, settled] = [after, after, 0];
  const flying: { batch: Batch; result: Promise<ImportedBatch> }[] = [];

  try {
    for await (const batch of batchesOf(input, after)) {
      const result = applied(db, batch.records, run);
      result.catch(() => undefined); // it is looked at in its turn
      flying.push({ batch, result });
      if (flying.length >= SLOTS) await settleOldest();
    }
    while (flying.length > 0) await settleOldest();
  } catch (error) {
    // Nothing may be under way any more when this ends; what was done until the first that failed needs not be done again.
    try {
      while (flying.length > 0) await settleOldest();
    } catch {
      await Promise.allSettled(flying.map(({ result }) => result));
    }
    await noteProgress().catch(() => undefined);
    throw error;
  }
  if (source !== null) await forgetProgress(db, source);
  return summary;

  async function settleOldest(): Promise<void> {
    const { batch, result } = flying[0] as (typeof flying)[number];
    const { outcomes, held } = await result;
    const added: Reject[] = [...batch.unreadable];
    for (const { reason } of batch.unreadable) count(summary.rejected, reason);
    for (const [i, { line, bytes }] of batch.records.entries()) {
      const outcome = outcomes[i] as (typeof outcomes)[number];
      if (outcome === 'erased') summary.erased += 1;
      else if (outcome === 'new' || outcome === 'known') {
        summary.imported += 1;
        if (outcome === 'known') summary.known += 1;
      } else {
        count(outcome in NOTHING_TAKEN ? summary.rejected : summary.partly, outcome);
        added.push({ line, reason: outcome, problems: [CONFLICTS[outcome]], record: parse(bytes.toString()) });
      }
    }
    summary.records += batch.records.length + batch.unreadable.length;
    summary.held += held;
    await rejects.add(added.sort((a, b) => a.line - b.line));
    flying.shift(); // not before: nothing counts as done beyond one that failed
    done = batch.lastLine;
    run.onBatch(summary);
    settled += 1;
    if (settled % NOTED === 0) await noteProgress();
  }

  /** Not before the rejects are where nothing takes them away: what is noted is not read again. */
  async function noteProgress(): Promise<void> {
    if (source === null || done === noted) return;
    await rejects.flush();
    await saveLinesDone(db, source, done);
    noted = done;
  }
}

type Conflict = Exclude<Admission, 'new' | 'known'>;

const NOTHING_TAKEN: Partial<Record<Conflict, string>> = {
  email_id_taken:
    'email.email_id: is another contact’s, or its contact has another address now or is gone; nothing was taken',
  basket_token_taken: 'email.basket_token: is another contact’s; nothing was taken',
};

const CONFLICTS: Record<Conflict, string> = {
  email_id_taken: '',
  basket_token_taken: '',
  ...NOTHING_TAKEN,
  address_taken:
    'email.primary_email: is on another contact; what the record says was taken, but not its id and its token',
  token_changed:
    'email.basket_token: is not the one that its contact has; what the record says was taken, but not its token',
};

const count = (counts: Record<string, number>, reason: string): void => {
  counts[reason] = (counts[reason] ?? 0) + 1;
};

/** A batch of records; then, of accounts that were known before, their deletions, by the rules of events. */
async function applied(
  db: Database,
  records: Batch['records'],
  { tokenPolicy, erasureKey, dryRun }: ImportRun,
): Promise<ImportedBatch> {
  if (records.length === 0) return { outcomes: [], held: 0, deletions: [] };
  const options = { erasureKey, dryRun };
  const batch = await importRecords(
    db,
    records.map(({ record }) => record),
    options,
  );
  const { deletions } = batch;
  if (deletions.length > 0 && !dryRun) {
    await retryTransient(() => applyBatch(db, deletions, { tokenPolicy, observes: () => true }));
  }
  return batch;
}

async function* batchesOf(input: Input, after: number): AsyncIterable<Batch> {
  const splitter = new LineSplitter(MAX_LINE, after);
  const now = Date.now();
  let batch = emptyBatch(after);
  let bytes = 0;
  const full = (lines: readonly Line[]): Batch[] => {
    const batches: Batch[] = [];
    for (const line of lines) {
      addLine(batch, line, now);
      bytes += line.bytes?.length ?? 0;
      if (batch.records.length + batch.unreadable.length < BATCH && bytes < BATCH_BYTES) continue;
      batches.push(batch);
      batch = emptyBatch(line.number);
      bytes = 0;
    }
    return batches;
  };
  try {
    for await (const chunk of input.chunks) yield* full(splitter.push(chunk));
    yield* full(splitter.end());
  } catch (error) {
    yield batch;
    throw error;
  }
  yield batch;
}

const emptyBatch = (lastLine: number): Batch => ({ lastLine, records: [], unreadable: [] });

function addLine(batch: Batch, line: Line, now: number): void {
  batch.lastLine = line.number;
  if (line.bytes === null) {
    batch.unreadable.push({ line: line.number, reason: line.problem, problems: [UNREADABLE[line.problem]] });
    return;
  }
  const text = line.bytes.toString();
  if (text.trim() === '') return;
  const json = parse(text);
  const read = json === undefined ? NOT_JSON : readRecord(json, now);
  // Of those that can be read the bytes are kept, where they are: hardly any of them is ever looked at again.
  if (!isUnreadable(read)) batch.records.push({ line: line.number, record: read, bytes: line.bytes });
  else batch.unreadable.push({ line: line.number, ...read, ...(json !== undefined && { record: json }) });
}

const NOT_JSON: Unreadable = { reason: 'not_json', problems: ['the line is no JSON'] };

const UNREADABLE = {
  too_large: `the line is longer than ${MAX_LINE} bytes`,
  not_utf8: 'the line is no UTF-8',
};

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
