import type { Command } from 'commander';
import { OperatorError } from '../../foundation/operator-error';
import { type BrowseResult, browseQueue, lockQueue, type Verdict } from '../../rabbitmq/browse-queue';
import { type DeadLetter, readDeadLetter, toReplay, toTail } from '../../rabbitmq/dead-letter';
import type { Delivery } from '../../rabbitmq/delivery';
import { DEAD_LETTERS } from '../../rabbitmq/names';
import type { Context } from '../context';
import { makeProgress } from '../progress';
import { withBroker } from '../servers';

import { addFilters, type Filter, isNarrow, isOneOf, parseId } from './filter';
import { block, HEADING, row, summary, whole } from './text';

interface Output {
  json?: true;
}

interface Selection extends Filter, Output {
  all?: true;
  dryRun?: true;
}

export function addDeadLetters(program: Command, context: Context): void {
  const group = program
    .command('dead-letters')
    .description('List, show, replay or drop the messages that were set aside')
    .addHelpText(
      'after',
      `
Needs AMQP_URL. A dead letter is a message that could not be understood (its reason says why), that failed up the whole
delay ladder (reason "failed"), or that the broker set aside (reason "delivery_limit": it ended its worker again and again).
Each command takes a look at the queue ${DEAD_LETTERS} and gives back what stays, in its order; one runs at a time.

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
    .option('--json', 'for machines: one JSON object a line')
    .addHelpText(
      'after',
      `
Needs AMQP_URL. Shows nothing of a message's content. ATTEMPTS counts over all replays ("10, 1x": replayed once).

Examples:
  $ onecontact dead-letters list --reason failed --origin-queue contacts.fxa
  $ onecontact dead-letters list --since 2026-01-21 --until 2026-01-22T12:00Z --limit 20
  $ onecontact dead-letters list --json | jq -r .reason | sort | uniq -c`,
    )
    .action(async (options: Filter & Output) => {
      const { json, ...filter } = options;
      const { walked, matched } = await overDeadLetters(context, new Set(), filter, async (delivery, letter, nr) => {
        const line = json ? JSON.stringify(summary(delivery, letter)) : row(letter);
        await context.print(`${nr === 1 && !json ? `${HEADING}\n` : ''}${line}\n`);
        return { do: 'keep' };
      });
      if (!json) await context.print(`${howMany(matched, walked, filter)}\n`);
    });
}

function addShow(group: Command, context: Context): void {
  group
    .command('show')
    .description('Show one dead letter: its headers and its body')
    .argument('<id>', 'its id, as `list` shows it', parseId)
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Needs AMQP_URL. The body of a message holds personal data (addresses, names, tokens): mind where you paste it.

Examples:
  $ onecontact dead-letters show 5f0c7e11a2b3c4d5
  $ onecontact dead-letters show --json 5f0c7e11a2b3c4d5 | jq -r .body`,
    )
    .action(async (id: string, { json }: Output) => {
      const visit: Visit = async (delivery, letter) => {
        await context.print(json ? `${JSON.stringify(whole(delivery, letter))}\n` : block(delivery, letter));
        return { do: 'keep' };
      };
      await overDeadLetters(context, new Set([id]), { limit: 1 }, visit);
    });
}

function addReplay(group: Command, context: Context): void {
  addSelection(group.command('replay').description('Send dead letters back to the queues that they came from'))
    .addHelpText(
      'after',
      `
Needs AMQP_URL. For when the cause is mended. Each message is handled at once, with the whole delay ladder before it; one
that fails again comes back with its history. A message handled twice changes nothing. Nothing leaves the dead letters
before the broker has confirmed it in its own queue, so an interrupted replay can be run again.

Examples:
  $ onecontact dead-letters replay --reason failed --limit 1     one, to see whether the cause is mended
  $ onecontact dead-letters replay --reason failed --since 2h
  $ onecontact dead-letters replay 5f0c7e11a2b3c4d5
  $ onecontact dead-letters replay --all --dry-run`,
    )
    .action(async (ids: string[] = [], options: Selection, command: Command) => {
      const filter = selection(ids, options, command);
      const routes = new Map<string, number>();
      let unroutable = 0;
      const { walked, matched } = await overDeadLetters(context, new Set(ids), filter, async (delivery, letter) => {
        const message = toReplay(delivery, letter);
        if (message === undefined) {
          unroutable += 1;
          return { do: 'keep' };
        }
        routes.set(message.routingKey, (routes.get(message.routingKey) ?? 0) + 1);
        return options.dryRun ? { do: 'keep' } : { do: 'send', message };
      });
      const replayed = options.dryRun ? matched - unroutable : walked.sent;
      const stay = matched - replayed;
      if (options.json) {
        const counts = { dead_letters: walked.total, matched, replayed, origin_unknown: unroutable };
        await context.print(
          `${JSON.stringify({ ...counts, too_large: walked.unsendable, dry_run: !!options.dryRun })}\n`,
        );
      } else {
        const did = options.dryRun ? 'Would replay' : 'Replayed';
        const to = [...routes].map(([queue, count]) => `${queue} ${number(count)}`).join(', ');
        await context.print(
          `${did} ${number(replayed)} of ${letters(walked.total)}${to && replayed ? `: ${to}` : ''}.\n`,
        );
        if (unroutable > 0) await context.print(`${letters(unroutable)} came from no queue of ours: not replayed.\n`);
        if (walked.unsendable > 0)
          await context.print(`${letters(walked.unsendable)} cannot be published: not replayed.\n`);
      }
      if (stay > 0) context.exitCode = 1;
    });
}

function addDrop(group: Command, context: Context): void {
  addSelection(group.command('drop').description('Delete dead letters for good'))
    .addHelpText(
      'after',
      `
Needs AMQP_URL. What is dropped is gone: look first, with --dry-run or with \`list\` and the same filters.

Examples:
  $ onecontact dead-letters drop --reason not_json --dry-run
  $ onecontact dead-letters drop --reason not_json --until 30d
  $ onecontact dead-letters drop 5f0c7e11a2b3c4d5`,
    )
    .action(async (ids: string[] = [], options: Selection, command: Command) => {
      const filter = selection(ids, options, command);
      const visit: Visit = async () => ({ do: options.dryRun ? 'keep' : 'drop' });
      const { walked, matched } = await overDeadLetters(context, new Set(ids), filter, visit);
      if (options.json) {
        const counts = { dead_letters: walked.total, matched, dropped: matched, dry_run: !!options.dryRun };
        await context.print(`${JSON.stringify(counts)}\n`);
      } else {
        await context.print(
          `${options.dryRun ? 'Would drop' : 'Dropped'} ${number(matched)} of ${letters(walked.total)}.\n`,
        );
      }
    });
}

function addSelection(command: Command): Command {
  const collect = (text: string, before: string[] = []): string[] => [...before, parseId(text)];
  return addFilters(command.argument('[id...]', 'ids, as `list` shows them', collect))
    .option('--all', 'all of them')
    .option('--dry-run', 'only say how many it would be')
    .option('--json', 'for machines: the numbers');
}

/** What is to be replayed or dropped must be said: ids, filters, or all. */
function selection(ids: readonly string[], options: Selection, command: Command): Filter {
  const { all, dryRun: _, json: __, ...filter } = options;
  const narrow = ids.length > 0 || isNarrow(filter);
  if (all && narrow) command.error('error: --all means all of them: leave ids and filters out, or --all');
  if (!all && !narrow) command.error('error: say which dead letters: ids, filters, or --all');
  return filter;
}

type Visit = (delivery: Delivery, letter: DeadLetter, nr: number) => Promise<Verdict>;

/** Looks at the dead letters that match, in their order, and keeps all others. Fails for an id that none has. */
async function overDeadLetters(
  context: Context,
  ids: ReadonlySet<string>,
  filter: Filter,
  visit: Visit,
): Promise<{ walked: BrowseResult; matched: number }> {
  const matches = isOneOf(ids, filter);
  const limit = filter.limit ?? Number.POSITIVE_INFINITY;
  const unseen = new Set(ids);
  const progress = makeProgress(context.stderr);
  const interrupted = interruption();
  let matched = 0;
  try {
    const walked = await withBroker(context.env, async ({ connection, publisher }) => {
      await lockQueue(connection, DEAD_LETTERS);
      return browseQueue({
        connection,
        publisher,
        queue: DEAD_LETTERS,
        signal: interrupted.signal,
        copy: toTail,
        enough: () => matched >= limit,
        ...(ids.size === 0 && !isNarrow(filter) && filter.limit !== undefined && { expected: filter.limit }),
        onProgress: (seen, total) => {
          // A line a message would be slower than the walk.
          if (seen % 100 === 0 || seen === total) progress.show(`${number(seen)} of ${letters(total)}`);
        },
        visit: async (delivery) => {
          const letter = readDeadLetter(delivery);
          if (!matches(letter)) return { do: 'keep' };
          matched += 1;
          unseen.delete(letter.id);
          return visit(delivery, letter, matched);
        },
      });
    });
    progress.clear();
    if (interrupted.signal.aborted) {
      const { seen, total, sent, dropped } = walked;
      const done = sent + dropped > 0 ? `${number(sent + dropped)} are done, ` : '';
      throw new OperatorError(
        `Interrupted after ${number(seen)} of ${letters(total)}: ${done}all others are where they were.`,
      );
    }
    if (unseen.size > 0) {
      context.exitCode = 1;
      context.stderr.write(`onecontact: No dead letter has the id ${[...unseen].join(', ')}.\n`);
    }
    return { walked, matched };
  } finally {
    progress.clear();
    interrupted.forget();
  }
}

/** Ctrl-C and SIGTERM end the walk, not the process: what is in flight is to be finished. */
function interruption(): { signal: AbortSignal; forget(): void } {
  const controller = new AbortController();
  const onSignal = (): void => controller.abort();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return { signal: controller.signal, forget: () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal) };
}

const number = (count: number): string => count.toLocaleString('en');
const letters = (count: number): string => `${number(count)} dead letter${count === 1 ? '' : 's'}`;

function howMany(matched: number, { total }: BrowseResult, filter: Filter): string {
  if (total === 0) return 'There are no dead letters.';
  if (filter.limit !== undefined && matched === filter.limit)
    return `The first ${number(matched)} that match, of ${letters(total)}.`;
  return matched === total ? letters(total) : `${number(matched)} of ${letters(total)} match.`;
}
