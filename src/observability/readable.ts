import type { DestinationStream } from 'pino';

const COLOURS: Readonly<Record<string, number>> = { warn: 33, error: 31, fatal: 31 };
/** Control characters, and marks that reorder or break lines. */
const STEERING = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;

/** Writes log lines for people: `05:43:23 INFO  service is up  url=http://127.0.0.1:8080`. */
export function readable(destination: DestinationStream, colour: boolean): DestinationStream {
  return { write: (line) => destination.write(`${toText(JSON.parse(line), colour)}\n`) };
}

function toText({ time, level, msg, pid: _, hostname: __, ...fields }: Record<string, unknown>, colour: boolean) {
  const code = colour ? COLOURS[String(level)] : undefined;
  const label = String(level).toUpperCase().padEnd(5);
  const shown = [...pairsOf(fields)].map(([name, value]) => ` ${name}=${textOf(value)}`);
  const clock = String(time).slice(11, 19);
  return [clock, code ? `\x1b[${code}m${label}\x1b[0m` : label, clean(String(msg)), ...shown].join(' ');
}

/** Fields of nested objects get names such as `failure.code`. */
function* pairsOf(fields: object, path = ''): Iterable<[name: string, value: unknown]> {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) yield* pairsOf(value, `${path}${name}.`);
    else yield [`${path}${name}`, value];
  }
}

function textOf(value: unknown): string {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return textOf(value.join(', '));
  if (typeof value === 'string' && /^[^\s"]+$/.test(value)) return clean(value);
  return clean(JSON.stringify(value) ?? '');
}

const clean = (text: string): string => text.replace(STEERING, '\ufffd');
