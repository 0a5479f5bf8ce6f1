/** Erases the people of a list, line by line, each in a transaction of its own. */
import { OperatorError } from '../../foundation/operator-error';
import { iso } from '../../foundation/times';
import type { Database } from '../../postgres/database';
import { erasureHash } from '../../postgres/tables/erasure';
import { lockQueue } from '../../rabbitmq/browse-queue';
import { DEAD_LETTERS } from '../../rabbitmq/names';
import { type ListLine, problemOf } from '../address-list';
import { readAddressOrId } from '../arguments';
import type { Broker } from '../servers';
import { dropDeadLettersOf } from './dead-letters';
import { type EraseReport, isDone, type ReportEntry } from './report';
import { type EraseOptions, erasePerson } from './run';
import { UnknownContactError, type Wanted } from './store';

/** A line that has not been done yet. */
export interface OpenLine {
  line: number;
  hash: string;
  wanted: Wanted | { problem: string };
}

/**
 * The lines that are not done yet. A line that could not be used is among them, because it may have been corrected.
 *
 * @throws OperatorError if the report is about another list
 */
export function openLines(lines: readonly ListLine[], report: EraseReport, erasureKey: string): OpenLine[] {
  return lines.flatMap(({ line, text }) => {
    const hash = erasureHash(erasureKey, { kind: 'text', key: text });
    const entry = report.entries.get(line);
    if (entry && isDone(entry) && entry.hash !== hash) {
      throw new OperatorError(
        `Line ${line} differs from the line that ${report.path} records: name another report with --report.`,
      );
    }
    if (entry && entry.result !== 'failed' && entry.hash === hash) return [];
    return { line, hash, wanted: readAddressOrId(text) };
  });
}

/** Dead letters are read once for this many lines. */
const CHUNK = 100;

export interface ErasePeopleRun {
  open: readonly OpenLine[];
  report: EraseReport;
  options: EraseOptions;
  /** Set if dead letters are dropped, too. */
  broker: Broker | null;
  /** Ends the run after the current person. */
  signal: AbortSignal;
  onLine(done: number): void;
}

/**
 * Each line is added to the report once it is done. If the process is killed in between, the line is done twice, which
 * changes only the time up to which events are dropped.
 *
 * @returns how many dead letters were dropped; in a dry run, would be
 */
export async function erasePeople(
  db: Database,
  { open, report, options, broker, signal, onLine }: ErasePeopleRun,
): Promise<number> {
  let deadLetters = 0;
  let done = 0;
  if (broker) await lockQueue(broker.connection, DEAD_LETTERS);
  for (let from = 0; from < open.length && !signal.aborted; from += CHUNK) {
    const chunk = open.slice(from, from + CHUNK);
    if (broker) {
      const wanted = chunk.flatMap((it) => ('problem' in it.wanted ? [] : it.wanted));
      deadLetters += await dropDeadLettersOf(db, broker, wanted, options);
    }
    for (const line of chunk) {
      if (signal.aborted) break;
      await report.add(await eraseLine(db, line, options));
      done += 1;
      onLine(done);
    }
  }
  return deadLetters;
}

/** @throws errors that concern all lines, see {@link problemOf} */
async function eraseLine(db: Database, { line, hash, wanted }: OpenLine, options: EraseOptions): Promise<ReportEntry> {
  if ('problem' in wanted) return { line, hash, result: 'invalid', problem: wanted.problem };
  try {
    const { known, at, deleted } = await erasePerson(db, wanted, options);
    return { line, hash, result: known ? 'erased' : 'unknown', until: iso(Math.round(at)), deleted: { ...deleted } };
  } catch (error) {
    if (error instanceof UnknownContactError)
      return { line, hash, result: 'invalid', problem: 'no live contact has the id' };
    return { line, hash, result: 'failed', problem: problemOf(error) };
  }
}
