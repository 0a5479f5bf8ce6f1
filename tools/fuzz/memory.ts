import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What is in use after a full garbage collection, over time. */
export class Memory {
  readonly samples: { done: number; heapMb: number; rssMb: number }[] = [];

  sample(done: number): { heapMb: number; rssMb: number } {
    collect();
    const { heapUsed, external, rss } = process.memoryUsage();
    const now = { heapMb: Math.round((heapUsed + external) / 2 ** 20), rssMb: Math.round(rss / 2 ** 20) };
    this.samples.push({ done, ...now });
    return now;
  }

  /**
   * Whether it stays: what lives at the end is not much more than what lived after the first quarter, when everything is
   * warm. RSS is not judged: a process does not give back to the system what it had once.
   */
  get flat(): boolean {
    const { samples } = this;
    if (samples.length < 8) return true; // too short a run to tell
    const warm = samples.slice(Math.floor(samples.length / 4), Math.floor(samples.length / 2));
    const late = samples.slice(Math.floor((samples.length * 3) / 4));
    return median(late) <= median(warm) * 1.1 + 8;
  }
}

const median = (samples: Memory['samples']): number =>
  samples.map(({ heapMb }) => heapMb).sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0;
