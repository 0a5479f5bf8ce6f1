/** Reads the body of `POST /events/newsletter`. Problems name places, never values, which are addresses and tokens. */
import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { Trace } from '../contacts/facts/event';
import { parseJson } from '../foundation/json';
import type { Problem } from '../http/answers';
import { type IntakeAnswer, MAX_MESSAGES } from '../messages/http/schemas';
import { decode, textOf } from '../messages/incoming/decode';
import { isDeeperThan, isJsonObject, MAX_DEPTH } from '../messages/incoming/decoded';
import { HEADERS, NEWSLETTER_EVENTS } from '../rabbitmq/names';
import type { OutgoingMessage } from '../rabbitmq/publishing/outgoing';
import { encode } from './encode';
import { turns } from './turns';

export interface ReadContext {
  /** Milliseconds since 1970, UTC. */
  now: number;
  /** Whether the sender may say that a reader has consented. */
  vouches: boolean;
  trace: Trace | undefined;
}

export type Read =
  | { messages: OutgoingMessage[]; answer: IntakeAnswer }
  /** What is wrong with the body as a whole. */
  | { refusal: string }
  | { tooMany: string }
  | { problems: Problem[] }
  /** Messages that need the scope `vouch`. */
  | { unproven: Problem[] };

/** Keeps the answer short, however many faults a list has. */
const MAX_PROBLEMS = 100;

/**
 * All messages of a body, or none: each message is decoded from exactly the bytes that are published, so a message that is
 * accepted here does not become a dead letter because of its shape.
 */
export async function readMessages(body: Buffer, context: ReadContext): Promise<Read> {
  if (!isUtf8(body)) return { refusal: 'The body is not UTF-8' };
  const sent = parseJson(textOf(body));
  if (sent === undefined) return { refusal: 'The body is not JSON' };
  const list: readonly unknown[] = Array.isArray(sent) ? sent : [sent];
  if (list.length > MAX_MESSAGES) return { tooMany: `The list must have at most ${MAX_MESSAGES} messages` };

  const messages: OutgoingMessage[] = [];
  const answer: IntakeAnswer = { events: [], warnings: [] };
  const problems: Problem[] = [];
  const unproven: Problem[] = [];
  const turn = turns();
  for (const [index, message] of list.entries()) {
    await turn();
    const place = list === sent ? `[${index}]` : '';
    // In a list, the order of the messages may matter, so each needs its own time.
    const read = readMessage(message, { ...context, place, isAlone: list !== sent });
    if ('problems' in read) problems.push(...read.problems);
    else if (read.isUnproven)
      unproven.push({ place, problem: 'proves consent, for which the key needs the scope vouch' });
    else {
      messages.push(read.message);
      answer.events.push(read.event);
      answer.warnings.push(...read.warnings);
    }
    if (problems.length >= MAX_PROBLEMS) break;
  }
  if (problems.length > 0) return { problems: problems.slice(0, MAX_PROBLEMS) };
  return unproven.length > 0 ? { unproven: unproven.slice(0, MAX_PROBLEMS) } : { messages, answer };
}

interface ReadOne {
  message: OutgoingMessage;
  event: IntakeAnswer['events'][number];
  warnings: Problem[];
  isUnproven: boolean;
}

function readMessage(
  sent: unknown,
  { now, vouches, trace, place, isAlone }: ReadContext & { place: string; isAlone: boolean },
): ReadOne | { problems: Problem[] } {
  const at = (name: string): string => (place === '' ? name : `${place}.${name}`);
  if (!isJsonObject(sent)) return { problems: [{ place, problem: 'must be a JSON object' }] };
  if (isDeeperThan(MAX_DEPTH, sent)) {
    return { problems: [{ place, problem: `is nested deeper than ${MAX_DEPTH} levels` }] };
  }
  const ts = sent.ts ?? (isAlone ? now / 1_000 : undefined);
  const dropsOptin = sent.optin === true && !vouches;
  const content = encode(
    ts === sent.ts && !dropsOptin ? sent : { ...sent, ts, ...(dropsOptin && { optin: undefined }) },
  );
  // The id of the event if the message does not give one.
  const messageId = randomUUID();
  const decoded = decode('newsletter', content, { messageId, trace, now });
  if (decoded.kind !== 'event') {
    const problems = decoded.kind === 'dead' ? decoded.problems : ['event: is not a newsletter event'];
    return { problems: problems.map((problem) => placed(problem, place)) };
  }
  const { event, dropped, partial } = decoded;
  const { id, event: type } = event.trigger;
  return {
    message: {
      exchange: NEWSLETTER_EVENTS,
      routingKey: type,
      content,
      messageId,
      contentType: 'application/json',
      timestamp: Math.floor(now / 1_000),
      ...(trace && { headers: { [HEADERS.traceParent]: trace.parent, [HEADERS.traceState]: trace.state } }),
    },
    event: { id, ts: ts as number },
    warnings: [
      ...(dropsOptin ? [{ place: at('optin'), problem: 'was left out: the key lacks the scope vouch' }] : []),
      ...dropped.map((field) => ({ place: at(field), problem: 'was left out: it cannot be used' })),
      ...partial.map((problem) => placed(problem, place)),
    ],
    isUnproven: !vouches && event.kind === 'newsletter' && event.proven,
  };
}

/** `newsletters.3: must be a string` of message 7 as a problem at `[7].newsletters[3]`. */
function placed(text: string, place: string): Problem {
  const [, field = '', problem = text] = /^([\w.]+): (.*)$/s.exec(text) ?? [];
  if (field === '' || field === 'message') return { place, problem };
  const name = field.replace(/\.(\d+)/g, '[$1]');
  return { place: place === '' ? name : `${place}.${name}`, problem };
}
