import { isUtf8 } from 'node:buffer';
import { type DecodeContext, type Decoded, dead, isDead, readJsonObject } from './decoded';
import { givenId } from './fields';
import { decodeFxa } from './fxa';
import { decodeNewsletter } from './newsletter';

/** The largest message, in bytes; real ones have a few hundred. */
export const MAX_BYTES = 256 * 1_024;

const DECODERS = { fxa: decodeFxa, newsletter: decodeNewsletter };

/**
 * Reads a message's bytes as a domain event. Never throws.
 *
 * @param source the stream of the queue that the message came from
 */
export function decode(source: 'fxa' | 'newsletter', content: Buffer, context: DecodeContext): Decoded {
  if (content.length > MAX_BYTES) return dead('too_large', `message: has more than ${MAX_BYTES} bytes`);
  if (!isUtf8(content)) return dead('not_json', 'message: is not UTF-8');
  const message = readJsonObject(textOf(content), 'message');
  if (isDead(message)) return message;
  const decoded = DECODERS[source](message.object, context);
  if (decoded.kind === 'event' && context.trace) decoded.event.trigger.trace = context.trace;
  return decoded;
}

/** The id in a message that could not be decoded, if it has one, for the log. Never throws. */
export function idIn(content: Buffer): string | undefined {
  if (content.length > MAX_BYTES) return undefined;
  const message = readJsonObject(textOf(content), 'message');
  if (isDead(message)) return undefined;
  const { jti, MessageId, id } = message.object;
  return givenId([jti, MessageId, id]);
}

/** The text of UTF-8. Drops a byte order mark, as RFC 8259 (section 8.1) allows. */
export function textOf(content: Buffer): string {
  const marked = content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf;
  return content.toString('utf8', marked ? 3 : 0);
}
