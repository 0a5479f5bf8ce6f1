import { resolve } from 'node:path';
import { OperatorError } from '../../foundation/operator-error';
import type { Database } from '../../postgres/database';
import { badLinesText, type ListLine, readAddressList } from '../address-list';
import type { Ask } from '../confirm';
import type { Context } from '../context';
import { makePace, makeProgress } from '../progress';
import { count, number } from '../render';
import { type Broker, withBroker, withDatabase } from '../servers';
import { stopSignal } from '../stop-signal';
import { type ErasePeopleRun, erasePeople, type OpenLine, openLines } from './people';
import { EraseReport, isDone } from './report';
import type { EraseOptions } from './run';

interface Options {
  report?: string;
  deadLetters?: boolean;
  json?: boolean;
}

/** Erases the people in a file, and prints the results. */
export async function erasePeopleOfList(
  context: Context,
  file: string,
  { report: reportPath = `${file}.report.ndjson`, deadLetters, json }: Options,
  options: EraseOptions,
  ask: Ask,
): Promise<void> {
  if (resolve(file) === resolve(reportPath)) {
    throw new OperatorError('--report names the list itself: name another file.');
  }
  const dryRun = options.dryRun ?? false;
  const lines = await readAddressList(file);
  const report = await EraseReport.read(reportPath);
  const open = openLines(lines, report, options.erasureKey);
  const resumed = lines.length - open.length;
  if (ask && open.length > 0) await ask(`${openText(open, resumed)}Erase for good?`);
  const stop = stopSignal();
  const progress = makeProgress(context.stderr);
  const pace = makePace();
  const onLine = (done: number): void => progress.show(`${count(done, 'line')}, ${pace(done, done / open.length)}`);
  const run = { open, report, options, signal: stop.signal, onLine };
  let dropped: number;
  try {
    dropped = await withDatabase(context.env, async (db) => {
      if (!dryRun) await report.openForWriting();
      const work = (broker: Broker | null): Promise<number> => eraseWithAdvice(context, db, { ...run, broker });
      return deadLetters ? withBroker(context.env, work) : work(null);
    });
  } finally {
    progress.clear();
    stop.ignore();
    await report.close();
  }
  const body = {
    ...numbersOf(lines, report),
    ...(deadLetters && { dead_letters: dropped }),
    ...{ resumed, interrupted: stop.signal.aborted, dry_run: dryRun, report: dryRun ? null : reportPath },
  };
  if (body.not_done.length > 0 || body.interrupted) context.exitCode = 1;
  await context.answer({ json }, body, () => textOf(body));
  if (body.interrupted) context.stderr.write(`onecontact: Interrupted. ${AGAIN}\n`);
}

const AGAIN = 'Run the same command again: it continues where this run stopped.';

async function eraseWithAdvice(context: Context, db: Database, run: ErasePeopleRun): Promise<number> {
  try {
    return await erasePeople(db, run);
  } catch (error) {
    // An error that tells the operator what to do says this itself.
    if (!(error instanceof OperatorError)) context.advice = AGAIN;
    throw error;
  }
}

function openText(open: readonly OpenLine[], resumed: number): string {
  const bad = open.filter(({ wanted }) => 'problem' in wanted).length;
  const parts = [
    `${count(open.length - bad, 'line')} to do`,
    ...(bad > 0 ? [`${number(bad)} that cannot be used`] : []),
    ...(resumed > 0 ? [`${number(resumed)} done before`] : []),
  ];
  return `${parts.join(', ')}.\n`;
}

/** The numbers for all lines of the list, including those that earlier runs have done. */
function numbersOf(lines: readonly ListLine[], report: EraseReport) {
  const entries = lines.flatMap(({ line }) => report.entries.get(line) ?? []);
  const numberOf = (result: string): number => entries.filter((entry) => entry.result === result).length;
  return {
    lines: lines.length,
    erased: numberOf('erased'),
    unknown: numberOf('unknown'),
    not_done: entries.filter((entry) => !isDone(entry)).map(({ line, problem = '' }) => ({ line, problem })),
  };
}

type Body = ReturnType<typeof numbersOf> & {
  dead_letters?: number;
  resumed: number;
  dry_run: boolean;
  report: string | null;
};

function textOf({ lines, erased, unknown, not_done, dead_letters, resumed, dry_run, report }: Body): string {
  const would = (verb: string): string => (dry_run ? `would be ${verb}` : verb);
  const text = [
    ...(resumed > 0 ? [`Continued an earlier run, which had done ${count(resumed, 'line')}.`] : []),
    `${count(lines, 'line')}: ${number(erased)} ${would('erased')}, ${number(unknown)} unknown, whose keyed hashes ${dry_run ? 'would be' : 'are'} stored, ${number(not_done.length)} not done.`,
    ...badLinesText(not_done),
    dead_letters === undefined
      ? 'Dead letters may still name these people: see `onecontact dead-letters list --address EMAIL`.'
      : `${dry_run ? 'Would drop' : 'Dropped'} ${count(dead_letters, 'dead letter')}.`,
    report === null ? 'Nothing was changed.' : `Report: ${report}`,
  ];
  return `${text.join('\n')}\n`;
}
