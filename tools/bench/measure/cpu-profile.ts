import type { HeapProfiler, Profiler } from 'node:inspector';

/** Folders and packages by purpose; the first match counts. */
const PLACES: readonly [RegExp, string][] = [
  [/\/src\/contacts\//, 'src/contacts (decide)'],
  [/\/src\/messages\/|node_modules\/zod/, 'src/messages, zod (decode)'],
  [/\/src\/postgres\/generated\/|node_modules\/@prisma\/|^wasm:/, 'Prisma'],
  [/\/src\/postgres\//, 'src/postgres (SQL)'],
  [/\/src\/(rabbitmq|ingest)\//, 'src/rabbitmq, src/ingest'],
  [/node_modules\/(pg|postgres)/, 'pg'],
  [/node_modules\/amqplib/, 'amqplib'],
  [/node_modules\/uuid/, 'uuid'],
  [/\/bench\/contenders\//, 'bench (probe, profiler)'],
  [/node_modules\//, 'other packages'],
];

const SELF_CONTAINED = ['(garbage collector)', '(idle)', '(program)'];
/** A longer sample is the time in which the process was suspended. */
const SUSPENDED_MS = 200;

/** Milliseconds by place, the longest first. Node's own functions (sockets, hashes, buffers) count for their caller. */
export function timeByPlace({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): [string, number][] {
  const callers = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)));
  const places = new Map(nodes.map((node) => [node.id, placeOf(node, callers)]));
  const sums = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const ms = (timeDeltas[index] ?? 0) / 1_000;
    const place = places.get(id);
    if (place !== undefined && ms <= SUSPENDED_MS) sums.set(place, (sums.get(place) ?? 0) + ms);
  }
  return [...sums].sort(([, a], [, b]) => b - a);
}

/** Allocated bytes by place, most first. */
export function bytesByPlace({ head }: HeapProfiler.SamplingHeapProfile): [string, number][] {
  const sums = new Map<string, number>();
  const add = (node: HeapProfiler.SamplingHeapProfileNode, caller: string): void => {
    const { url } = node.callFrame;
    const place = isNodes(url) ? caller : placeAt(url);
    sums.set(place, (sums.get(place) ?? 0) + node.selfSize);
    for (const child of node.children) add(child, place);
  };
  add(head, 'Node.js');
  return [...sums].sort(([, a], [, b]) => b - a);
}

function placeOf(node: Profiler.ProfileNode, callers: ReadonlyMap<number, Profiler.ProfileNode>): string {
  const name = node.callFrame.functionName;
  if (SELF_CONTAINED.includes(name)) return name;
  let owner: Profiler.ProfileNode | undefined = node;
  while (owner && isNodes(owner.callFrame.url)) owner = callers.get(owner.id);
  if (!owner) return name.startsWith('(') ? name : 'Node.js';
  return placeAt(owner.callFrame.url);
}

const placeAt = (url: string): string => PLACES.find(([pattern]) => pattern.test(url))?.[1] ?? 'other';

const isNodes = (url: string): boolean => url === '' || url.startsWith('node:');
