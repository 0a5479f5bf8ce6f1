import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { readConfig } from '../../config';
import { OperatorError } from '../../foundation/operator-error';
import type { Database } from '../../postgres/database';
import { requireErasureKey } from '../../postgres/tables/erasure';
import { loadProgress } from '../../postgres/tables/import-progress';
import { audited, authorOf, withReason } from '../audited';
import type { Context } from '../context';
import { makePace, makeProgress, perSecond } from '../progress';
import { count, number, table } from '../render';
import { withDatabase } from '../servers';
import { stopSignal } from '../stop-signal';
import { type Input, openFile, openStream } from './input';
import { RejectsFile } from './rejects';
import { type ImportCounts, type ImportRun, type ImportSummary, importInput, MAX_LINE, SLOTS } from './run';

interface Options {
  rejects?: string;
  dryRun?: true;
  reason?: string;
  json?: true;
}

const STDIN = '-';

export function addImport(program: Command, context: Context): void {
  const command = withReason(program.command('import'))
    .description('Import contacts from CTMS records, one JSON object per line')
    .argument('<file>', 'an NDJSON file, plain or gzip; - for standard input')
    .option(
      '--rejects <file>',
      'file for the records and fields that cannot be imported (default: FILE.rejects.ndjson; FILE.dry-run.rejects.ndjson for a dry run)',
    )
    .option('--dry-run', 'try each batch, without changing anything')
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL, and ERASURE_KEY if people were erased. Contact ids, tokens and times are kept. Nothing is merged and nothing is announced: a claim on another record's address is held for \`onecontact collisions\`. A line may have ${MAX_LINE.toLocaleString('en')} bytes.

An import may be interrupted at any moment: the same command continues where it stopped (from standard input: starts from the beginning). Importing a file again changes nothing. The summary covers the whole file.

Records and fields that cannot be imported go to the rejects file, each with its line number, the reason and the record. The file contains personal data, and only you may read it. The command exits with 1 if there are any, or if something failed.

A dry run tries each batch separately: a later one does not see what an earlier one would have changed.

Examples:
  $ onecontact import contacts.ndjson.gz --dry-run
  $ onecontact import contacts.ndjson.gz
  $ zstd -dc contacts.ndjson.zst | onecontact import - --rejects rejects.ndjson`,
    )
    .action(async (file: string, options: Options) => {
      const { dryRun = false } = options;
      const rejectsPath = options.rejects ?? defaultRejects(file, dryRun);
      if (file !== STDIN && resolve(file) === resolve(rejectsPath)) {
        command.error('error: --rejects names the file to import: name another file');
      }
      const { erasureKey, tokenPolicy } = readConfig(context.env, ['database', 'erasure', 'merging']);
      const input = file === STDIN ? openStdin(context) : await openFile(file);
      const began = performance.now();
      const stop = stopSignal();
      try {
        const run = { input, erasureKey, tokenPolicy, dryRun, signal: stop.signal };
        const entry = {
          ...authorOf(context.env, options.reason),
          command: 'import' as const,
          target: { file: basename(file) },
        };
        const { summary, before } = await withDatabase(
          context.env,
          (db) => {
            const work = () => importWithProgress(context, db, run, rejectsPath);
            return dryRun
              ? work()
              : audited(db, entry, work, ({ summary }) => ({ ...summary, interrupted: stop.signal.aborted }));
          },
          SLOTS,
        );
        const isCutShort = stop.signal.aborted;
        if (isCutShort || hasRejects(summary)) context.exitCode = 1;
        const seconds = (performance.now() - began) / 1_000;
        const body = { ...summary, readdressed: Math.max(0, summary.readdressed), dry_run: dryRun };
        await context.answer(options, body, () => textOf(body, { before, dryRun, seconds, rejectsPath }));
        if (isCutShort) context.stderr.write(`onecontact: Interrupted. ${howToGoOn(run)}\n`);
      } finally {
        stop.ignore();
        await input.close();
      }
    });
}

async function importWithProgress(
  context: Context,
  db: Database,
  run: Omit<ImportRun, 'rejects' | 'done' | 'onBatch'>,
  rejectsPath: string,
): Promise<{ summary: ImportSummary; before: number }> {
  const { input, dryRun, erasureKey } = run;
  await requireErasureKey(db, erasureKey);
  const done = dryRun || input.fingerprint === null ? null : await loadProgress<ImportCounts>(db, input.fingerprint);
  const rejects = await RejectsFile.at(rejectsPath, done?.lines ?? 0);
  const before = done?.counts.records ?? 0;
  const progress = makeProgress(context.stderr);
  const pace = makePace();
  const onBatch = ({ records }: Readonly<ImportSummary>): void => {
    const share = input.size === null ? null : input.bytesRead() / input.size;
    progress.show(`${number(records)} records, ${pace(records - before, share)}`);
  };
  try {
    return { summary: await importInput(db, { ...run, rejects, done, onBatch }), before };
  } catch (error) {
    // An error that tells the operator what to do says this itself.
    if (!(error instanceof OperatorError)) context.advice = howToGoOn(run);
    throw error;
  } finally {
    progress.clear();
    await rejects.close();
  }
}

const howToGoOn = ({ dryRun, input }: Pick<ImportRun, 'dryRun' | 'input'>): string =>
  dryRun || input.fingerprint === null
    ? 'Run the same command again: it starts from the beginning, and imports nothing twice.'
    : 'Run the same command again: it continues where this run stopped.';

/** A dry run writes to its own file, so that an interrupted run keeps its rejects. */
const defaultRejects = (file: string, dryRun: boolean): string =>
  `${file === STDIN ? 'stdin' : file}${dryRun ? '.dry-run' : ''}.rejects.ndjson`;

function openStdin({ stdin }: Context): Input {
  if (!stdin?.[Symbol.asyncIterator]) throw new OperatorError('There is no standard input: name a file.');
  return openStream(stdin as AsyncIterable<Uint8Array>);
}

const sumOf = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);

const hasRejects = ({ rejected, partly, incomplete }: ImportSummary): boolean =>
  sumOf(rejected) + sumOf(partly) + incomplete > 0;

function textOf(
  summary: ImportSummary,
  { before, dryRun, seconds, rejectsPath }: { before: number; dryRun: boolean; seconds: number; rejectsPath: string },
): string {
  const { records, imported, known, erased, held, resumed, rejected, partly, incomplete, readdressed } = summary;
  const width = number(records).length;
  const row = (n: number, what: string): string[] => ['', number(n).padStart(width), what];
  const reasons = Object.entries({ ...rejected, ...partly, ...(incomplete > 0 && { invalid_fields: incomplete }) });
  const now = records - before;
  const lines = [
    ...(resumed > 0
      ? [`Continued after line ${number(resumed)}, where an earlier run stopped: ${count(now, 'record')} in this run.`]
      : []),
    `${count(records, 'record')} in ${seconds.toFixed(1)} s (${perSecond(now, seconds)})${dryRun ? '; dry run: nothing was changed' : ''}:`,
    ...table([
      row(imported, `imported, of which ${number(known)} were known before`),
      row(sumOf(partly), 'imported without their id or token, or only their opt-outs and unsubscribes'),
      row(incomplete, 'imported without their unusable fields'),
      row(erased, 'skipped: the person was erased'),
      row(sumOf(rejected), 'rejected'),
      row(readdressed, "mailed at their account's address from now on"),
      ...byName(summary.not_taken).map(([group, n]) => row(n, `with ${group}, which is not imported`)),
      row(held, `claims held${held > 0 ? ': `onecontact collisions list`' : ''}`),
    ]),
    ...(reasons.length > 0 ? [`See ${rejectsPath}:`] : []),
    ...table(byName(Object.fromEntries(reasons)).map(([reason, n]) => row(n, reason))),
  ];
  return `${lines.join('\n')}\n`;
}

const byName = (counts: Record<string, number>): [string, number][] =>
  Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
