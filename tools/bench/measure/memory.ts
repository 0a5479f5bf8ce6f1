import type { Bench } from '../bench';
import { Contender, onecontact, untilAcked } from '../contenders/contender';
import { throttled } from '../databases';
import { type Message, messageOf } from '../load/acts';
import { supplyOf } from '../load/workloads';
import { contactsFor } from './run';

export interface Memory {
  backlog: number;
  events: number;
  /** MB; null where the system does not report it. */
  peak: number | null;
}

/** Messages handled before memory is read: enough to show any growth with the backlog. */
const HANDLED = 100_000;

/** Measures the peak memory of a worker with a large backlog. */
export async function measureMemory(bench: Bench): Promise<Memory> {
  const { broker, databases, options, say } = bench;
  const { backlog } = options;
  const events = Math.min(backlog, HANDLED);
  const contacts = contactsFor(events, options);
  await broker.purge();
  const database = await databases.clone(contacts);
  try {
    say(`  publishing ${backlog.toLocaleString('en')} messages …`);
    const published = throttled(5_000, (done) => say(`  published ${done}`));
    await broker.publish(messagesOf(contacts, options.seed, backlog), published);
    const contender = await Contender.start(onecontact(options.set), bench, database.url);
    try {
      const handled = throttled(5_000, (done) => say(`  handled ${done}, ${contender.peakMemory()?.toFixed(0)} MB`));
      await untilAcked([contender], events, handled);
      return { backlog, events, peak: contender.peakMemory() };
    } finally {
      await contender.stop();
    }
  } finally {
    await broker.purge();
    await database.drop();
  }
}

/** A generator, because a million messages at once would fill the benchmark's own memory. */
function* messagesOf(contacts: number, seed: number, count: number): Generator<Message> {
  const [known, fresh] = [supplyOf('known', contacts, seed), supplyOf('new', contacts, seed)];
  for (let i = 0; i < count; i++) {
    const [act] = i % 2 === 0 ? known(1) : fresh(1);
    if (act) yield messageOf(act);
  }
}
