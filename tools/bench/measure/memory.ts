import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../../src/rabbitmq/names';
import type { Bench } from '../bench';
import { Contender, onecontact, untilAcked } from '../contenders/contender';
import { throttled } from '../databases';
import { type Message, messageOf } from '../load/acts';
import { supplyOf } from '../load/workloads';
import { measureDeadLetters, measureImport } from './command-memory';
import { contactsFor } from './run';

export interface Memory {
  backlog: number;
  events: number;
  /** MB; null where the system does not report it. */
  peak: number | null;
  /** Of the worker with messages of great weight, and of the commands that go through everything. */
  heavy: { what: string; peak: number | null }[];
}

/** Messages handled before memory is read: enough to show any growth with the backlog. */
const HANDLED = 100_000;
const WAITING = 5_000;

/** Measures the peak memory of a worker with a large backlog and with the heaviest messages, and of commands. */
export async function measureMemory(bench: Bench): Promise<Memory> {
  const { options } = bench;
  const { backlog } = options;
  const events = Math.min(backlog, HANDLED);
  const contacts = contactsFor(events, options);
  const ordinary = (count: number) => messagesOf(contacts, options.seed, count);
  const peak = await peakOf(bench, contacts, ordinary(backlog), events);
  const heavy: Memory['heavy'] = [];
  for (const [what, messages, count] of [
    ['1,000 of the largest messages', heaviest, 1_000],
    ['100 bodies of 16 MiB', tooLarge, 100],
  ] as const) {
    say(bench, what);
    const all = mixed(messages(count), ordinary(WAITING));
    heavy.push({ what, peak: await peakOf(bench, contacts, all, count + WAITING) });
  }
  const letters = Math.min(backlog, HANDLED);
  const dead = `dead-letters with ${letters.toLocaleString('en')} and 100 bodies of 16 MiB`;
  say(bench, dead);
  heavy.push({ what: dead, peak: await measureDeadLetters(bench, mixed(tooLarge(100), ordinary(letters))) });
  const records = `import of ${backlog.toLocaleString('en')} records`;
  say(bench, records);
  heavy.push({ what: records, peak: await measureImport(bench, backlog) });
  return { backlog, events, peak, heavy };
}

const say = ({ say }: Bench, what: string): void => say(`  ${what} …`);

/** The peak memory of a worker while it handles the first `events` of the messages. */
async function peakOf(bench: Bench, contacts: number, messages: Iterable<Message>, events: number) {
  const { broker, databases, options, say } = bench;
  await broker.purge();
  const database = await databases.clone(contacts);
  try {
    const published = throttled(5_000, (done) => say(`  published ${done}`));
    await broker.publish(messages, published);
    const contender = await Contender.start(onecontact(options.set), bench, database.url);
    try {
      const handled = throttled(5_000, (done) => say(`  handled ${done}, ${contender.peakMemory()?.toFixed(0)} MB`));
      await untilAcked([contender], events, handled);
      return contender.peakMemory();
    } finally {
      await contender.stop();
    }
  } finally {
    await broker.purge();
    await database.drop();
  }
}

/** Sign-ups with the most newsletters, the longest names and the longest source that are permitted. */
function* heaviest(count: number): Generator<Message> {
  const newsletters = Array.from({ length: 1_000 }, (_, i) => `${i}`.padStart(100, 'n'));
  const source_url = `https://site.test/${'x'.repeat(1_982)}`;
  for (let i = 0; i < count; i++) {
    const body = {
      event: 'newsletter.subscribe',
      ts: 1_769_000_000,
      email: `heavy${i}@mail.test`,
      newsletters,
      source_url,
    };
    yield { exchange: NEWSLETTER_EVENTS, routingKey: body.event, body };
  }
}

/** For both queues in turn. */
function* tooLarge(count: number): Generator<Message> {
  const filler = 'x'.repeat(16 * 1_024 * 1_024 - 100);
  for (let i = 0; i < count; i++)
    yield { exchange: i % 2 === 0 ? NEWSLETTER_EVENTS : FXA_EVENTS, routingKey: 'filler', body: { filler } };
}

/** Spreads some messages evenly among others. */
function* mixed(few: Iterable<Message>, many: Iterable<Message>): Generator<Message> {
  const rest = [...many];
  const spread = [...few];
  const share = Math.ceil(rest.length / spread.length);
  for (const message of spread) yield* [message, ...rest.splice(0, share)];
  yield* rest;
}

/** A generator, because a million messages at once would fill the benchmark's own memory. */
function* messagesOf(contacts: number, seed: number, count: number): Generator<Message> {
  const [known, fresh] = [supplyOf('known', contacts, seed), supplyOf('new', contacts, seed)];
  for (let i = 0; i < count; i++) {
    const [act] = i % 2 === 0 ? known(1) : fresh(1);
    if (act) yield messageOf(act);
  }
}
