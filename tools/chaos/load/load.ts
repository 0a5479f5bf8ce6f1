/** The load: which messages are sent, when, and by which producer. The seed determines all of it. */
import { Random } from '../../random';
import type { Message } from './message';
import { messageMix } from './mix';

export interface Load {
  seed: number;
  seconds: number;
  producers: number;
  /** Messages a second, on average, of all producers together. */
  rate: number;
}

export interface Sending {
  /** Milliseconds after the start; later if the broker accepts nothing. */
  at: number;
  producer: number;
  message: Message;
}

const REPEATED = 0.04;
/** The rate changes once a phase. */
const PHASE_MS = 5_000;
const PHASE_FACTORS = [0.2, 0.7, 1, 1, 2.1];

export function* sendings({ seed, seconds, producers, rate }: Load): Generator<Sending> {
  const random = new Random(seed, 'load');
  const mix = messageMix(seed, random);
  const repetitions: { after: number; message: Message }[] = [];
  let factor = 1;
  let phase = -1;
  for (let at = 0, count = 0; at < seconds * 1000; at += 1000 / (rate * factor), count++) {
    if (Math.floor(at / PHASE_MS) > phase) {
      phase = Math.floor(at / PHASE_MS);
      factor = random.pick(PHASE_FACTORS);
    }
    yield { at, producer: random.below(producers), message: next(count) };
  }

  function next(count: number): Message {
    const due = repetitions.findIndex(({ after }) => after <= count);
    if (due >= 0) return (repetitions.splice(due, 1)[0] as { message: Message }).message;
    const message = mix.next().value;
    // A producer that repeats unknowingly may use another id.
    const repeated = random.chance(0.5) ? message : { ...message, id: random.uuid() };
    if (random.chance(REPEATED)) repetitions.push({ after: count + 1 + random.below(200), message: repeated });
    return message;
  }
}
