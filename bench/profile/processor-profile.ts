import type { Profiler } from 'node:inspector';

/** Where a process was, in milliseconds of its own time, the longest first. */
export interface ProcessorShares {
  byPlace: [string, number][];
  byFunction: [string, number][];
}

/** Folders and packages by what they are for; the first that fits counts. */
const PLACES: readonly [RegExp, string][] = [
  [/\/src\/contacts\//, 'src/contacts (decide)'],
  [/\/src\/events\//, 'src/events (decode)'],
  [/\/src\/store\//, 'src/store (SQL)'],
  [/\/src\/(broker|workers)\//, 'src/broker, src/workers'],
  [/\/src\/generated\/|node_modules\/@prisma\/|^wasm:/, 'Prisma'],
  [/node_modules\/pg|node_modules\/postgres/, 'pg'],
  [/node_modules\/amqplib/, 'amqplib'],
  [/node_modules\/zod/, 'zod'],
  [/node_modules\/uuid/, 'uuid'],
  [/\/bench\//, 'bench (the probe)'],
  [/node_modules\/([^/]+)/, 'other packages'],
  [/^node:/, 'Node.js'],
];

const TOP = 25;

export function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ProcessorShares {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const places = new Map<string, number>();
  const functions = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    const ms = (timeDeltas[index] ?? 0) / 1_000;
    if (!frame) continue;
    const url = frame.url.replace(/^file:\/\//, '');
    add(places, placeOf(frame.functionName, url), ms);
    if (url !== '')
      add(functions, `${frame.functionName || 'anonymous'} ${shortened(url)}:${frame.lineNumber + 1}`, ms);
  }
  return { byPlace: sorted(places), byFunction: sorted(functions).slice(0, TOP) };
}

function placeOf(name: string, url: string): string {
  if (url === '') return name.startsWith('(') ? name : 'Node.js, native';
  return PLACES.find(([pattern]) => pattern.test(url))?.[1] ?? 'other';
}

const shortened = (url: string): string => url.replace(/^.*\/(src|node_modules)\//, '$1/');
const add = (sums: Map<string, number>, key: string, value: number): void =>
  void sums.set(key, (sums.get(key) ?? 0) + value);
const sorted = (sums: Map<string, number>): [string, number][] => [...sums].sort(([, a], [, b]) => b - a);
