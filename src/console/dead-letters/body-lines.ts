/** The body of a message as lines to read, each with the problems that it has. A body may be anything. */
import { isUtf8 } from 'node:buffer';
import { decode, MAX_BYTES, textOf } from '../../messages/incoming/decode';
import { isDeeperThan, isJsonObject, MAX_DEPTH } from '../../messages/incoming/decoded';
import { cut } from '../../messages/incoming/fields';
import { harmless } from '../../operations/render';
import { keysOf } from '../../operations/show/run';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from '../../rabbitmq/names';

export interface Line {
  text: string;
  problems: readonly string[];
}

export interface BodyLines {
  /** JSON is indented; any other text is shown as it came. */
  isJson: boolean;
  isUtf8: boolean;
  lines: Line[];
  /** Whether lines were left out, or ends of lines. */
  isCut: boolean;
}

/** What a page shows of a body, in UTF-16 code units. Lines with problems are shown wherever they are. */
const MAX_SHOWN = 64 * 1_024;
const MAX_LINES = 2_000;
const MAX_LINE = 2_000;

const SOURCES = new Map([
  [FXA_QUEUE, 'fxa'],
  [NEWSLETTER_QUEUE, 'newsletter'],
] as const);

/** What this version does not understand of a message, from the queue it came from; null if that is unknown. */
export function problemsNow(content: Buffer, origin: string | null, now = Date.now()): readonly string[] | null {
  const source = SOURCES.get(origin as typeof FXA_QUEUE);
  if (source === undefined) return null;
  const decoded = decode(source, content, { now });
  if (decoded.kind === 'dead') return decoded.problems;
  return decoded.kind === 'event' ? decoded.partial : [];
}

const MAX_KEY = 500;

/** The address, token or account that a message names, as it has it; null if it names none. */
export function readerIn(content: Buffer): string | null {
  const value = parsed(content);
  if (!isJsonObject(value)) return null;
  const message = isJsonObject(value.Message) ? value.Message : value;
  const places = [message.data, message].filter(isJsonObject);
  const names = places.flatMap(({ email, token, uid, sub }) => [email, token, uid, sub]);
  return (
    names.find(
      (name): name is string => typeof name === 'string' && keysOf(name).length > 0 && name.length < MAX_KEY,
    ) ?? null
  );
}

/** @param problems each names a field and what is wrong with it, such as `newsletters.2: must be a string` */
export function bodyLines(content: Buffer, problems: readonly string[]): BodyLines {
  const value = parsed(content);
  if (value !== undefined) return { isJson: true, isUtf8: true, ...shown(jsonLines(value, new Problems(problems))) };
  const text = textOf(content.subarray(0, 4 * MAX_SHOWN));
  const lines = text.split(/\r?\n/).map((line) => ({ text: line, problems: [] }));
  const { lines: first, isCut } = shown(lines);
  return {
    ...{ isJson: false, isUtf8: isUtf8(content), lines: first },
    isCut: isCut || content.length > 4 * MAX_SHOWN,
  };
}

/** An object or a list; undefined if the body is none. */
function parsed(content: Buffer): object | undefined {
  if (content.length > MAX_BYTES || !isUtf8(content)) return undefined;
  try {
    const value: unknown = JSON.parse(textOf(content));
    return typeof value !== 'object' || value === null || isDeeperThan(MAX_DEPTH, value) ? undefined : opened(value);
  } catch {
    return undefined;
  }
}

/** An account event may come as a text inside another message: it is easier to read as JSON. */
function opened(value: object): object {
  if (!isJsonObject(value) || value.event !== undefined || typeof value.Message !== 'string') return value;
  try {
    const inner: unknown = JSON.parse(value.Message);
    return isJsonObject(inner) && !isDeeperThan(MAX_DEPTH - 1, inner) ? { ...value, Message: inner } : value;
  } catch {
    return value;
  }
}

type Path = readonly (string | number)[];

/** Problems by the field that they name. */
class Problems {
  readonly #left = new Map<string, string[]>();

  constructor(problems: readonly string[]) {
    for (const problem of problems) {
      const field = /^[^\s:]+(?=: )/.exec(problem)?.[0] ?? '';
      this.#left.set(field, [...(this.#left.get(field) ?? []), problem]);
    }
  }

  /** Those of a field, once. */
  take(path: Path): string[] {
    for (const name of namesOf(path)) {
      const found = this.#left.get(name);
      if (found && this.#left.delete(name)) return found;
    }
    return [];
  }

  /** Those of fields that are missing, and of the message as a whole. */
  rest(): string[] {
    return [...this.#left.values()].flat();
  }
}

/** Problems name a field of an account event as if it had no envelope. */
function namesOf(path: Path): string[] {
  const inside = path[0] === 'Message' ? path.slice(1) : path;
  const depth = inside[0] === 'data' ? 1 : inside[0] === 'events' ? 2 : 0;
  return [path, inside, inside.slice(depth)].filter(({ length }) => length > 0).map((names) => names.join('.'));
}

/** A problem that belongs to no line is shown at the first line. */
function jsonLines(value: object, problems: Problems): Line[] {
  const [first, ...lines] = walk(value, [], '', '', '', problems);
  return [{ text: first?.text ?? '', problems: problems.rest() }, ...lines];
}

function walk(value: unknown, path: Path, indent: string, name: string, comma: string, problems: Problems): Line[] {
  const own = problems.take(path);
  const line = (text: string): Line => ({ text: `${indent}${name}${text}`, problems: own });
  if (typeof value !== 'object' || value === null) return [line(`${JSON.stringify(value)}${comma}`)];
  const isList = Array.isArray(value);
  const [open, close] = isList ? '[]' : '{}';
  const entries = Object.entries(value);
  if (entries.length === 0) return [line(`${open}${close}${comma}`)];
  const lines = [line(open as string)];
  for (const [i, [key, inner]] of entries.entries()) {
    const [place, title] = isList ? [i, ''] : [key, `${JSON.stringify(key)}: `];
    const end = i < entries.length - 1 ? ',' : '';
    for (const one of walk(inner, [...path, place], `${indent}  `, title, end, problems)) lines.push(one);
  }
  lines.push({ text: `${indent}${close}${comma}`, problems: [] });
  return lines;
}

/** The lines that a page has room for, and those with problems. Control characters become visible. */
function shown(all: readonly Line[]): Pick<BodyLines, 'lines' | 'isCut'> {
  const lines: Line[] = [];
  let [room, isCut, isGap] = [MAX_SHOWN, false, false];
  for (const { text, problems } of all) {
    const fits = room > 0 && lines.length < MAX_LINES;
    if (!fits && problems.length === 0) {
      isGap = isCut = true;
      continue;
    }
    if (isGap) lines.push({ text: '…', problems: [] });
    isGap = false;
    const kept = cut(text, MAX_LINE);
    if (kept.length < text.length) isCut = true;
    lines.push({ text: harmless(kept.length < text.length ? `${kept}…` : kept), problems });
    room -= kept.length;
  }
  return { lines, isCut };
}
