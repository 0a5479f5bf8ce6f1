import { parseJson } from '../../foundation/json';
import { type ApplyOptions, applyBatch } from '../../ingest/apply/transaction';
import type { Database } from '../../postgres/database';
import { retryTransient } from '../../postgres/errors';
import { forgetProgress, type ImportProgress, saveProgress } from '../../postgres/tables/import-progress';
import type { Input } from './input';
import { type Line, LineSplitter } from './line-splitter';
import type { Admission } from './plan';
import { isUnreadable, readRecord, type Unreadable } from './read-record';
import type { ImportRecord } from './record';
import type { Reject, RejectsFile } from './rejects';
import { type ImportedBatch, importRecords } from './store';

/** Maximum bytes of a line; longer lines are rejected. */
export const MAX_LINE = 1024 * 1024;
/** The limits of one transaction: records, and bytes of their lines. */
const BATCH = 1_000;
const BATCH_BYTES = 8 * MAX_LINE;
/** A batch with this many choices is full, because each choice is a row of a statement. */
const BATCH_CHOICES = 10_000;
/** Concurrent batches, and so connections: the database works on some while the next one is read and decided. */
export const SLOTS = 3;
/** Batches between two saves of the progress: after a kill, a run repeats at most this many. */
const SAVE_EVERY = 5;

/** Covers the whole file, including the lines that an earlier run has done. */
export interface ImportSummary {
  /** Lines skipped because an earlier run had done them. */
  resumed: number;
  /** Lines that are not blank. */
  records: number;
  imported: number;
  /** Imported records whose contact existed already. */
  known: number;
  /** Records dropped because their person was erased after they were written. */
  erased: number;
  /** Records of which nothing was imported, by reason. */
  rejected: Record<string, number>;
  /** Records imported without their id or token, by reason. */
  partly: Record<string, number>;
  /** Records imported without some fields, which could not be used. */
  incomplete: number;
  /** Claims held. */
  held: number;
  /** Contacts that are mailed at their account's address from now on, not at the record's own. */
  readdressed: number;
  /** Records with a group that is not imported, by group. */
  not_taken: Record<string, number>;
}

export type ImportCounts = Omit<ImportSummary, 'resumed'>;

const NOTHING: ImportCounts = {
  ...{ records: 0, imported: 0, known: 0, erased: 0, rejected: {}, partly: {} },
  ...{ incomplete: 0, held: 0, readdressed: 0, not_taken: {} },
};

export interface ImportRun {
  input: Input;
  rejects: RejectsFile;
  erasureKey: string | null;
  tokenPolicy: ApplyOptions['tokenPolicy'];
  dryRun: boolean;
  /** What an earlier run has done; null if there was none. */
  done: ImportProgress<Partial<ImportCounts>> | null;
  /** Ends the run after the batches in flight; their progress is saved. */
  signal: AbortSignal;
  onBatch(summary: Readonly<ImportSummary>): void;
}

interface Batch {
  /** The number of the batch's last line, blank lines included. */
  lastLine: number;
  records: { line: number; record: ImportRecord; bytes: Buffer }[];
  unreadable: Reject[];
  /** The bytes of all its lines. */
  bytes: number;
  /** The number of choices in all its records. */
  choices: number;
}

/**
 * Imports the input batch by batch, in constant memory: input is read only as fast as batches finish. Progress is saved
 * after the batches, in the order of the file, so an interrupted run resumes; repeating a batch changes nothing.
 */
export async function importInput(db: Database, run: ImportRun): Promise<ImportSummary> {
  const { input, rejects, dryRun, done, signal } = run;
  const fingerprint = dryRun ? null : input.fingerprint;
  const after = done?.lines ?? 0;
  const summary: ImportSummary = { resumed: after, ...structuredClone(NOTHING), ...done?.counts };
  const inFlight: { batch: Batch; result: Promise<ImportedBatch> }[] = [];
  let lastLine = after;
  let savedLine = after;
  let batches = 0;

  try {
    for await (const batch of batchesOf(input, after)) {
      const result = importBatch(db, batch.records, run);
      result.catch(() => undefined); // finishOldest handles it
      inFlight.push({ batch, result });
      if (inFlight.length >= SLOTS) await finishOldest();
      if (signal.aborted) break;
    }
    while (inFlight.length > 0) await finishOldest();
  } catch (error) {
    // Finish what started before the failure, so that it need not be repeated, and leave nothing running.
    try {
      while (inFlight.length > 0) await finishOldest();
    } catch {
      await Promise.allSettled(inFlight.map(({ result }) => result));
    }
    await keepProgress().catch(() => undefined);
    throw error;
  }
  if (signal.aborted) await keepProgress();
  else if (fingerprint !== null) await forgetProgress(db, fingerprint);
  return summary;

  async function finishOldest(): Promise<void> {
    const { batch, result } = inFlight[0] as (typeof inFlight)[number];
    await rejects.add(addToSummary(summary, batch, await result));
    inFlight.shift(); // removed only now: a failed batch stays first, so no later batch counts as done
    lastLine = batch.lastLine;
    run.onBatch(summary);
    batches += 1;
    if (batches % SAVE_EVERY === 0) await keepProgress();
  }

  /** Flushes the rejects first, because a resumed run does not read these lines again. */
  async function keepProgress(): Promise<void> {
    if (fingerprint === null || lastLine === savedLine) return;
    await rejects.flush();
    const { resumed: _, ...counts } = summary;
    await saveProgress(db, fingerprint, { lines: lastLine, counts });
    savedLine = lastLine;
  }
}

/** @returns the batch's rejects, in the order of their lines */
function addToSummary(summary: ImportSummary, batch: Batch, { outcomes, held, readdressed }: ImportedBatch): Reject[] {
  const rejects = [...batch.unreadable];
  for (const { reason } of batch.unreadable) increment(summary.rejected, reason);
  for (const [i, { line, record, bytes }] of batch.records.entries()) {
    const outcome = outcomes[i] as (typeof outcomes)[number];
    if (outcome === 'erased') {
      summary.erased += 1;
      continue;
    }
    const { problems = [], notTaken = [] } = record;
    for (const group of notTaken) increment(summary.not_taken, group);
    if (outcome === 'new' || outcome === 'known') {
      summary.imported += 1;
      if (outcome === 'known') summary.known += 1;
      if (problems.length > 0) rejects.push({ line, reason: 'invalid_fields', problems, bytes });
    } else {
      increment(outcome in NOTHING_TAKEN ? summary.rejected : summary.partly, outcome);
      rejects.push({ line, reason: outcome, problems: [CONFLICTS[outcome], ...problems], bytes });
    }
    if (problems.length > 0 && !(outcome in NOTHING_TAKEN) && outcome !== 'refusals_only') summary.incomplete += 1;
  }
  summary.records += batch.records.length + batch.unreadable.length;
  summary.held += held;
  summary.readdressed += readdressed;
  return rejects.sort((a, b) => a.line - b.line);
}

const increment = (counts: Record<string, number>, reason: string): void => {
  counts[reason] = (counts[reason] ?? 0) + 1;
};

const NOTHING_TAKEN = {
  email_id_taken:
    'email.email_id: belongs to another contact, or its contact now has another address or has ended; nothing was imported',
  basket_token_taken: 'email.basket_token: belongs to another contact; nothing was imported',
  invalid_address: 'email.primary_email: no contact has this address; nothing was imported',
};

const CONFLICTS: Record<Exclude<Admission, 'new' | 'known'>, string> = {
  ...NOTHING_TAKEN,
  address_taken:
    'email.primary_email: another contact has this address; the record was imported without its id and its token',
  refusals_only: 'email.primary_email: a contact has this address; only the refusals were imported',
  token_changed: 'email.basket_token: its contact has another token; the record was imported without its token',
};

/** Imports the records, then applies the deletions of accounts that existed already, as events. */
async function importBatch(db: Database, lines: Batch['records'], run: ImportRun): Promise<ImportedBatch> {
  if (lines.length === 0) return { outcomes: [], held: 0, readdressed: 0, deletions: [] };
  const { tokenPolicy, erasureKey, dryRun } = run;
  const records = lines.map(({ record }) => record);
  const batch = await importRecords(db, records, { erasureKey, dryRun });
  if (batch.deletions.length > 0 && !dryRun) {
    await retryTransient(() => applyBatch(db, batch.deletions, { tokenPolicy, observes: () => true }));
  }
  return batch;
}

/** When reading fails, yields the lines before the failure and then throws. */
async function* batchesOf(input: Input, after: number): AsyncIterable<Batch> {
  const now = Date.now();
  let batch = emptyBatch(after);
  try {
    for await (const lines of linesOf(input, after)) {
      for (const line of lines) {
        addLine(batch, line, now);
        if (!isFull(batch)) continue;
        yield batch;
        batch = emptyBatch(line.number);
      }
    }
  } catch (error) {
    yield batch;
    throw error;
  }
  yield batch;
}

const emptyBatch = (lastLine: number): Batch => ({ lastLine, records: [], unreadable: [], bytes: 0, choices: 0 });

const isFull = ({ records, unreadable, bytes, choices }: Batch): boolean =>
  records.length + unreadable.length >= BATCH || bytes >= BATCH_BYTES || choices >= BATCH_CHOICES;

async function* linesOf(input: Input, after: number): AsyncIterable<Line[]> {
  const splitter = new LineSplitter(MAX_LINE, after);
  for await (const chunk of input.chunks) yield splitter.push(chunk);
  yield splitter.end();
}

function addLine(batch: Batch, line: Line, now: number): void {
  batch.lastLine = line.number;
  if (line.bytes === null) {
    batch.unreadable.push({ line: line.number, reason: line.problem, problems: [UNREADABLE[line.problem]] });
    return;
  }
  batch.bytes += line.bytes.length;
  const text = line.bytes.toString();
  if (text.trim() === '') return;
  const json = parseJson(text);
  const read = json === undefined ? NOT_JSON : readRecord(json, now);
  if (!isUnreadable(read)) {
    batch.records.push({ line: line.number, record: read, bytes: line.bytes });
    batch.choices += read.choices.length;
  } else batch.unreadable.push({ line: line.number, ...read, ...(json !== undefined && { bytes: line.bytes }) });
}

const NOT_JSON: Unreadable = { reason: 'not_json', problems: ['the line is not JSON'] };

const UNREADABLE = {
  too_large: `the line is longer than ${MAX_LINE} bytes`,
  not_utf8: 'the line is not UTF-8',
};
