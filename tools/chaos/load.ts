/** The load: which messages are sent, when, and by which producer. All of it follows from the seed. */

import { Random } from '../random';
import { household } from './households';
import type { Message } from './message';
import { ignored, rubbish } from './rubbish';

export interface Load {
  seed: number;
  seconds: number;
  producers: number;
  /** Messages a second, on average, of all producers together. */
  rate: number;
}

export interface Sending {
  /** Milliseconds after the beginning; later when the broker takes none. */
  at: number;
  producer: number;
  message: Message;
}

/** So many households have something going on at any time. */
const AT_ONCE = 40;
const RUBBISH = 0.03;
const IGNORED = 0.03;
const REPEATED = 0.04;
/** The rate changes every so often: from next to nothing to a rush. */
const PHASE_MS = 5_000;
const PHASES = [0.2, 0.7, 1, 1, 2.1];

export function* sendings({ seed, seconds, producers, rate }: Load): Generator<Sending> {
  const random = new Random(seed, 'load');
  const active: Message[][] = [];
  const again: { after: number; message: Message }[] = [];
  let households = 0;
  let factor = 1;
  let phase = -1;
  for (let at = 0, count = 0; at < seconds * 1000; at += 1000 / (rate * factor), count++) {
    if (Math.floor(at / PHASE_MS) > phase) {
      phase = Math.floor(at / PHASE_MS);
      factor = random.pick(PHASES);
    }
    while (active.length < AT_ONCE) active.push(household(seed, households++));
    yield { at, producer: random.below(producers), message: next(count) };
  }

  function next(count: number): Message {
    const due = again.findIndex(({ after }) => after <= count);
    if (due >= 0) return (again.splice(due, 1)[0] as { message: Message }).message;
    const message = fresh();
    // As a producer repeats itself that does not know it: sometimes under another id.
    const repeated = random.chance(0.5) ? message : { ...message, id: random.uuid() };
    if (random.chance(REPEATED)) again.push({ after: count + 1 + random.below(200), message: repeated });
    return message;
  }

  function fresh(): Message {
    const dice = random.next();
    if (dice < RUBBISH) return rubbish(random);
    if (dice < RUBBISH + IGNORED) return ignored(random);
    const place = random.below(active.length);
    const messages = active[place] as Message[];
    const message = messages.shift() as Message;
    if (messages.length === 0) active.splice(place, 1);
    return message;
  }
}
