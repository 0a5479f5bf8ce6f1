import type { Bench } from '../bench';
import { Contender } from '../contenders/contender';
import { onecontact } from '../contenders/programs';
import { type Message, messageOf } from '../load/acts';
import { supplyOf } from '../load/workloads';
import { contactsFor } from './throughput';

export interface Memory {
  backlog: number;
  events: number;
  /** MB; null where the system does not tell. */
  peak: number | null;
}

/** Messages of the backlog that are handled before the memory is read: what grows with a backlog grows by then. */
const HANDLED = 100_000;

/** The most memory that a worker has while it works on a large backlog. */
export async function measureMemory(bench: Bench): Promise<Memory> {
  const { broker, databases, options, say } = bench;
  const { backlog } = options;
  const events = Math.min(backlog, HANDLED);
  const contacts = contactsFor(events, options);
  await broker.purge();
  const database = await databases.clone(contacts);
  try {
    say(`  publishing ${backlog.toLocaleString('en')} messages …`);
    const progress = every(5_000, (done) => say(`  published ${done.toLocaleString('en')}`));
    await broker.publish(messagesOf(contacts, options.seed, backlog), progress);
    const contender = await Contender.start(onecontact(options.set), { ...bench, databaseUrl: database.url });
    try {
      const shown = every(5_000, (acked) =>
        say(`  handled ${acked.toLocaleString('en')}, ${contender.peakMemory()?.toFixed(0)} MB`),
      );
      await contender.untilAcked(events, shown);
      return { backlog, events, peak: contender.peakMemory() };
    } finally {
      await contender.stop();
    }
  } finally {
    await broker.purge();
    await database.drop();
  }
}

/** One after the other: a million of them at once would be memory of ours. */
function* messagesOf(contacts: number, seed: number, count: number): Generator<Message> {
  const [people, accounts] = [supplyOf('known', contacts, seed), supplyOf('new', contacts, seed)];
  for (let i = 0; i < count; i++) {
    const [act] = i % 2 === 0 ? people(1) : accounts(1);
    if (act) yield messageOf(act);
  }
}

function every(ms: number, tell: (done: number) => void): (done: number) => void {
  let told = performance.now();
  return (done) => {
    if (performance.now() - told < ms) return;
    told = performance.now();
    tell(done);
  };
}
