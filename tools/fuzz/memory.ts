import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { median } from '../bench/measure/statistics';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Memory in use after full garbage collections, over time. */
export class Memory {
  readonly samples: { done: number; heapMb: number; rssMb: number }[] = [];

  sample(done: number): void {
    collect();
    const { heapUsed, external, rss } = process.memoryUsage();
    const inMb = (bytes: number): number => Math.round(bytes / 2 ** 20);
    this.samples.push({ done, heapMb: inMb(heapUsed + external), rssMb: inMb(rss) });
  }

  /**
   * Whether the last quarter uses hardly more than the second, when caches are warm. RSS does not count: a process does not
   * return memory to the system.
   */
  get flat(): boolean {
    const { samples } = this;
    if (samples.length < 8) return true; // the run is too short
    const heaps = samples.map(({ heapMb }) => heapMb);
    const warm = heaps.slice(Math.floor(heaps.length / 4), Math.floor(heaps.length / 2));
    const late = heaps.slice(Math.floor((heaps.length * 3) / 4));
    return median(late) <= median(warm) * 1.1 + 8;
  }
}
