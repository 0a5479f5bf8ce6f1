import type { Profiler } from 'node:inspector';

/** Where a process was, in milliseconds of its own time, the longest first. */
export interface ProcessorShares {
  byPlace: [string, number][];
  byFunction: [string, number][];
}

/** Folders and packages by what they are for; the first that fits counts. */
const PLACES: readonly [RegExp, string][] = [
  [/\/src\/contacts\//, 'src/contacts (decide)'],
  [/\/src\/messages\/|node_modules\/zod/, 'src/messages, zod (decode)'],
  [/\/src\/postgres\/generated\/|node_modules\/@prisma\/|^wasm:/, 'Prisma'],
  [/\/src\/postgres\//, 'src/postgres (SQL)'],
  [/\/src\/(rabbitmq|ingest)\//, 'src/rabbitmq, src/ingest'],
  [/node_modules\/(pg|postgres)/, 'pg'],
  [/node_modules\/amqplib/, 'amqplib'],
  [/node_modules\/uuid/, 'uuid'],
  [/\/bench\//, 'bench (probe, profiler)'],
  [/node_modules\//, 'other packages'],
];

const TOP = 40;
/** A sample of more milliseconds than this is the time for which the process was held. */
const HELD_MS = 200;

interface Frame {
  name: string;
  url: string;
  line: number;
  caller: Frame | undefined;
}

/**
 * What Node.js does on its own (sockets, hashes, buffers) counts for the code that called it, if any did; functions of it
 * are listed with that caller.
 */
export function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ProcessorShares {
  const frames = framesOf(nodes);
  const places = new Map<string, number>();
  const functions = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    const ms = (timeDeltas[index] ?? 0) / 1_000;
    if (!frame || ms > HELD_MS) continue;
    const owner = ownerOf(frame);
    add(places, placeOf(owner), ms);
    add(functions, owner === frame ? nameOf(frame) : `${frame.name} <- ${nameOf(owner)}`, ms);
  }
  return { byPlace: sorted(places), byFunction: sorted(functions).slice(0, TOP) };
}

function framesOf(nodes: readonly Profiler.ProfileNode[]): Map<number, Frame> {
  const frames = new Map<number, Frame>();
  for (const { id, callFrame } of nodes) {
    const url = callFrame.url.replace(/^file:\/\//, '');
    frames.set(id, {
      name: callFrame.functionName || 'anonymous',
      url,
      line: callFrame.lineNumber + 1,
      caller: undefined,
    });
  }
  for (const { id, children = [] } of nodes) {
    for (const child of children) {
      const frame = frames.get(child);
      if (frame) frame.caller = frames.get(id);
    }
  }
  return frames;
}

/** The nearest function, from here upwards, that is not Node's own. */
function ownerOf(frame: Frame): Frame {
  if (frame.name === '(garbage collector)' || frame.name === '(idle)' || frame.name === '(program)') return frame;
  let owner: Frame | undefined = frame;
  while (owner && isNodes(owner)) owner = owner.caller;
  return owner ?? frame;
}

const isNodes = ({ url }: Frame): boolean => url === '' || url.startsWith('node:');

function placeOf(frame: Frame): string {
  if (isNodes(frame)) return frame.name.startsWith('(') ? frame.name : 'Node.js';
  return PLACES.find(([pattern]) => pattern.test(frame.url))?.[1] ?? 'other';
}

function nameOf({ name, url, line }: Frame): string {
  return url === '' ? name : `${name} ${url.replace(/^.*\/(src|node_modules)\//, '$1/')}:${line}`;
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

const sorted = (sums: Map<string, number>): [string, number][] => [...sums].sort(([, a], [, b]) => b - a);
