import { isUtf8 } from 'node:buffer';
import { type DecodeContext, type Decoded, invalid } from './decoded';
import { givenId } from './event-id';
import { decodeFxa } from './fxa';
import { isJsonObject, parseJson } from './json';
import { decodeNewsletter } from './newsletter';

export type { DeadLetterReason, DecodeContext, Decoded } from './decoded';

/** Bytes of a message. FxA's and the sites' have a few hundred. */
export const MAX_BYTES = 256 * 1_024;

const DECODERS = { fxa: decodeFxa, newsletter: decodeNewsletter };

/**
 * A message's bytes as what the domain understands. Never throws, whatever the bytes.
 *
 * @param source the queue it came from, which says how it is to be read
 */
export function decode(source: 'fxa' | 'newsletter', content: Buffer, context: DecodeContext): Decoded {
  if (content.length > MAX_BYTES) return invalid('too_large', `message: has more than ${MAX_BYTES} bytes`);
  if (!isUtf8(content)) return invalid('not_json', 'message: is not UTF-8');
  const message = parseJson(textOf(content));
  if (message === undefined) return invalid('not_json', 'message: is not JSON');
  if (!isJsonObject(message)) return invalid('invalid_shape', 'message: must be a JSON object');
  const decoded = DECODERS[source](message, context);
  if (decoded.kind === 'event' && context.trace) decoded.event.trigger.trace = context.trace;
  return decoded;
}

/** The id that a message which is not understood gives itself, where one can be found: for the log. Never throws. */
export function idIn(content: Buffer): string | undefined {
  const message = content.length > MAX_BYTES ? undefined : parseJson(textOf(content));
  return isJsonObject(message) ? givenId([message.jti, message.MessageId, message.id]) : undefined;
}

/** A byte order mark says nothing here and is passed over, as RFC 8259 (section 8.1) allows. */
function textOf(content: Buffer): string {
  const marked = content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf;
  return content.toString('utf8', marked ? 3 : 0);
}
