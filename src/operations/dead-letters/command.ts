import { type Command, InvalidArgumentError, Option } from 'commander';
import { readConfig } from '../../config';
import { OperatorError } from '../../foundation/operator-error';
import { DEAD_LETTERS } from '../../rabbitmq/names';
import { addressFrom, parseWhen, positive } from '../arguments';
import { confirmation, withYes } from '../confirm';
import type { Context } from '../context';
import { mentionsOf } from '../mentions';
import { makeProgress } from '../progress';
import { count, number } from '../render';
import { type Broker, withBroker } from '../servers';
import { inAudit, targetOf } from './audit';
import { type Filter, isNarrow, ORIGIN_QUEUES } from './filter';
import { REASONS } from './reasons';
import {
  type Browsed,
  type BrowseRun,
  browseDeadLetters,
  dropDeadLetters,
  exactly,
  type Replayed,
  replayDeadLetters,
} from './run';
import { HEADING, letterBody, letterRow, letterText, summaryBody } from './text';

interface FilterOptions extends Omit<Filter, 'ids' | 'mentions'> {
  address?: string | undefined;
}

interface Selection extends FilterOptions {
  all?: true;
  dryRun?: true;
  json?: true;
}

export function addDeadLetters(program: Command, context: Context): void {
  const group = program
    .command('dead-letters')
    .description('List, show, replay or drop messages that could not be handled')
    .addHelpText(
      'after',
      `
Needs AMQP_URL. A message becomes a dead letter when it cannot be understood (its reason says why), when it failed after all retries (reason "failed"), or when a part of its choice could not be handled (reason "partial"). The broker adds messages that kept crashing their worker ("delivery_limit"), and messages that a policy on a work queue removed ("expired", "maxlen").

Each command reads the queue ${DEAD_LETTERS} and puts the messages that stay back in their order. Only one command runs at a time.

Examples:
  $ onecontact dead-letters list --since 2h
  $ onecontact dead-letters show 5f0c7e11a2b3c4d5
  $ onecontact dead-letters replay --reason failed --dry-run`,
    );
  addList(group, context);
  addShow(group, context);
  addReplay(group, context);
  addDrop(group, context);
}

function addList(group: Command, context: Context): void {
  addFilters(group.command('list').description('List dead letters, oldest first'))
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      `
Needs AMQP_URL. Shows no content of the messages. "attempts" is the sum over all replays ("10, 1x": replayed once). --address finds an address anywhere in a body, in every spelling, but not in compressed bodies.

Examples:
  $ onecontact dead-letters list --reason failed --origin-queue contacts.fxa
  $ onecontact dead-letters list --since 2026-01-21 --until 2026-01-22T12:00Z --limit 20
  $ onecontact dead-letters list --address ada@mail.test
  $ onecontact dead-letters list --json | jq -r .reason | sort | uniq -c`,
    )
    .action(async ({ json, ...options }: FilterOptions & { json?: true }, command: Command) => {
      const filter = filterOf([], options, command);
      const { matched, total } = await withDeadLetters(context, (broker, run) =>
        browseDeadLetters(broker, { ...run, filter }, async (delivery, letter, position) => {
          const heading = position === 1 ? `${HEADING}\n` : '';
          await context.answer(
            { json },
            summaryBody(delivery, letter),
            () => `${heading}${letterRow(letter, context.columns)}\n`,
          );
          return { do: 'keep' };
        }),
      );
      if (!json) await context.print(`${totalsText(matched, total, filter)}\n`);
    });
}

function addShow(group: Command, context: Context): void {
  group
    .command('show')
    .description('Show a dead letter: its headers and its body')
    .argument('[id]', 'the id of the dead letter, as `list` shows it', parseId)
    .option('--address <email>', 'show every dead letter that names this address, instead of one id')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Needs AMQP_URL. The body of a message contains personal data (addresses, names, tokens): take care where you paste it.

Examples:
  $ onecontact dead-letters show 5f0c7e11a2b3c4d5
  $ onecontact dead-letters show --json 5f0c7e11a2b3c4d5 | jq -r .body`,
    )
    .action(async (id: string | undefined, { json, address }: { json?: true; address?: string }, command: Command) => {
      if ((id === undefined) === (address === undefined)) command.error('error: name either an id or --address');
      const filter = id === undefined ? filterOf([], { address }, command) : { ids: new Set([id]), limit: 1 };
      const { matched } = await withDeadLetters(context, (broker, run) =>
        browseDeadLetters(broker, { ...run, filter }, async (delivery, letter, position) => {
          const gap = position > 1 ? '\n' : '';
          await context.answer({ json }, letterBody(delivery, letter), () => `${gap}${letterText(delivery, letter)}`);
          return { do: 'keep' };
        }),
      );
      if (id === undefined && matched === 0) throw new OperatorError('No dead letter names this address.');
    });
}

function addReplay(group: Command, context: Context): void {
  addSelection(group.command('replay').description('Send dead letters back to the queues they came from'))
    .addHelpText(
      'after',
      `
Needs AMQP_URL, and DATABASE_URL for the audit. Fix the cause first. Each message is handled at once, and retried like a new one; if it fails again, it returns with its history. Handling a message twice changes nothing. A message leaves the dead letters only after the broker has confirmed it in its work queue, so an interrupted replay can be run again.

Examples:
  $ onecontact dead-letters replay --reason failed --limit 1     one, to see whether the cause is fixed
  $ onecontact dead-letters replay --reason failed --since 2h
  $ onecontact dead-letters replay 5f0c7e11a2b3c4d5
  $ onecontact dead-letters replay --all --dry-run`,
    )
    .action(async (ids: string[] = [], options: Selection, command: Command) => {
      const filter = selectionOf(ids, options, command);
      const dryRun = options.dryRun ?? false;
      const work = () =>
        withDeadLetters(context, (broker, run) => replayDeadLetters(broker, { ...run, filter }, dryRun));
      const result = await (dryRun ? work() : inAudit(context.env, 'replay', targetOf(ids, options, command), work));
      const { total, matched, replayed, unroutable, unsendable } = result;
      const body = {
        ...{ dead_letters: total, matched, replayed },
        ...{ origin_unknown: unroutable, too_large: unsendable, dry_run: dryRun },
      };
      await context.answer(options, body, () => replayText(result, dryRun));
      if (matched > replayed) context.exitCode = 1;
    });
}

function replayText({ total, replayed, unroutable, unsendable, routes }: Replayed, dryRun: boolean): string {
  const to = replayed > 0 ? [...routes].map(([queue, n]) => `${queue} ${number(n)}`).join(', ') : '';
  const lines = [
    `${dryRun ? 'Would replay' : 'Replayed'} ${number(replayed)} of ${letters(total)}${to && `: ${to}`}.`,
    ...(unroutable > 0 ? [`${letters(unroutable)} came from an unknown queue: not replayed.`] : []),
    ...(unsendable > 0 ? [`${letters(unsendable)} cannot be published: not replayed.`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function addDrop(group: Command, context: Context): void {
  addSelection(withYes(group.command('drop').description('Delete dead letters for good')))
    .addHelpText(
      'after',
      `
Needs AMQP_URL, and DATABASE_URL for the audit. This cannot be undone: check first with --dry-run, or with \`list\` and the same filters. On a terminal, the command asks before it deletes.

Examples:
  $ onecontact dead-letters drop --reason not_json --dry-run
  $ onecontact dead-letters drop --reason not_json --until 30d --yes
  $ onecontact dead-letters drop 5f0c7e11a2b3c4d5`,
    )
    .action(async (ids: string[] = [], { yes, ...options }: Selection & { yes?: true }, command: Command) => {
      const filter = selectionOf(ids, options, command);
      const dryRun = options.dryRun ?? false;
      const ask = confirmation(context, command, yes, dryRun);
      const drop = (which: Filter, isTrial: boolean) =>
        withDeadLetters(context, (broker, run) => dropDeadLetters(broker, { ...run, filter: which }, isTrial));
      const forGood = (which: Filter) =>
        inAudit(context.env, 'drop', targetOf(ids, options, command), () => drop(which, false));
      let result: Browsed;
      if (dryRun) result = await drop(filter, true);
      else if (ask === null) result = await forGood(filter);
      else {
        readConfig(context.env, ['broker', 'database', 'audit']); // before the question
        result = await drop(filter, true);
        if (result.matched > 0) {
          await ask(`${number(result.matched)} of ${letters(result.total)} match.\nDelete them for good?`);
          result = await forGood(exactly(known(filter, result), result));
        }
      }
      const { total, matched } = result;
      const body = { dead_letters: total, matched, dropped: matched, dry_run: dryRun };
      const did = dryRun ? 'Would drop' : 'Dropped';
      await context.answer(options, body, () => `${did} ${number(matched)} of ${letters(total)}.\n`);
    });
}

/** Without the ids that were reported as unknown already. */
const known = (filter: Filter, { unknownIds }: Browsed): Filter => ({
  ...filter,
  ids: new Set([...filter.ids].filter((id) => !unknownIds.includes(id))),
});

function addFilters(command: Command): Command {
  return command
    .addOption(new Option('--reason <reason>', 'only dead letters with this reason').choices([...REASONS.keys()]))
    .addOption(new Option('--origin-queue <queue>', 'only dead letters from this queue').choices([...ORIGIN_QUEUES]))
    .option(
      '--since <time>',
      'only messages dead-lettered at this time or later; an age such as 2h works, too',
      parseWhen,
    )
    .option('--until <time>', 'only messages dead-lettered before this time', parseWhen)
    .option('--address <email>', 'only dead letters that name this address in their bodies')
    .option('--limit <n>', 'at most this many, oldest first', positive);
}

function addSelection(command: Command): Command {
  const collect = (text: string, before: string[] = []): string[] => [...before, parseId(text)];
  return addFilters(command.argument('[id...]', 'ids, as `list` shows them', collect))
    .option('--all', 'all dead letters')
    .option('--dry-run', 'count the dead letters, without changing anything')
    .option('--json', 'print the numbers as JSON');
}

function parseId(text: string): string {
  const id = text.trim().toLowerCase();
  if (!/^[0-9a-f]{16}$/.test(id)) throw new InvalidArgumentError('It must be an id that `dead-letters list` shows.');
  return id;
}

/** Replaying and dropping need an explicit choice: ids, filters, or `--all`. */
function selectionOf(ids: readonly string[], { all, ...options }: Selection, command: Command): Filter {
  const filter = filterOf(ids, options, command);
  if (all && isNarrow(filter)) command.error('error: --all cannot be combined with ids or filters');
  if (!all && !isNarrow(filter)) command.error('error: name the dead letters: ids, filters, or --all');
  return filter;
}

/** Checks the address here: commander's own error for an option would repeat it. */
const filterOf = (ids: readonly string[], { address, ...options }: FilterOptions, command: Command): Filter => ({
  ...options,
  ids: new Set(ids),
  ...(address !== undefined && { mentions: mentionsOf({ addresses: [addressFrom(command, address).key] }) }),
});

/** Opens the broker for `work`, with progress, and with Ctrl-C as its signal. Reports ids that no dead letter has. */
async function withDeadLetters<T extends Browsed>(
  context: Context,
  work: (broker: Broker, run: Omit<BrowseRun, 'filter'>) => Promise<T>,
): Promise<T> {
  const progress = makeProgress(context.stderr);
  const onProgress = (seen: number, total: number): void => {
    // Writing a line for each message would be slower than browsing.
    if (seen % 100 === 0 || seen === total) progress.show(`${number(seen)} of ${letters(total)}`);
  };
  // A signal ends the browsing, not the process: what is in flight must be finished.
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  let result: T;
  try {
    result = await withBroker(context.env, (broker) => work(broker, { signal: interrupted.signal, onProgress }));
  } finally {
    progress.clear();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
  if (result.interrupted) throw new OperatorError(interruptedText(result));
  if (result.unknownIds.length > 0) {
    context.exitCode = 1;
    context.stderr.write(`onecontact: No dead letter has the id ${result.unknownIds.join(', ')}.\n`);
  }
  return result;
}

function interruptedText({ seen, total, sent, dropped }: Browsed): string {
  const done = sent + dropped > 0 ? `${number(sent + dropped)} are done, ` : '';
  return `Interrupted after ${number(seen)} of ${letters(total)}: ${done}all others are where they were.`;
}

const letters = (n: number): string => count(n, 'dead letter');

function totalsText(matched: number, total: number, { limit }: Filter): string {
  if (total === 0) return 'There are no dead letters.';
  if (matched === limit) return `The first ${number(matched)} that match, of ${letters(total)}.`;
  return matched === total ? letters(total) : `${number(matched)} of ${letters(total)} match.`;
}
