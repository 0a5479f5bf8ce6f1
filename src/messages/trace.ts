import type { Trace } from '../contacts/facts/event';

/** W3C Trace Context: version, trace id, parent id, flags. Version ff is forbidden, and so are ids of zeros. */
export const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** One vendor's entry: a key, and a value of printable ASCII without comma and equals sign. */
const MEMBER = /^[0-9a-z][0-9a-z_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const MAX_MEMBERS = 32;
/** Every participant must propagate values up to this length; a longer value is dropped, not cut. */
export const MAX_TRACESTATE = 512;

/**
 * The trace in a message's headers `traceparent` and `tracestate`. Undefined if `traceparent` is not valid W3C Trace
 * Context; a malformed `tracestate` is left out. A malformed trace never affects the message.
 */
export function traceOf(headers: Readonly<Record<string, unknown>>): Trace | undefined {
  const { traceparent: parent, tracestate: state } = headers;
  if (typeof parent !== 'string' || !TRACEPARENT.test(parent)) return undefined;
  return isTraceState(state) ? { parent, state } : { parent };
}

function isTraceState(state: unknown): state is string {
  if (typeof state !== 'string' || state === '' || state.length > MAX_TRACESTATE) return false;
  const members = state.split(',').map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''));
  return members.length <= MAX_MEMBERS && members.every((member) => member === '' || MEMBER.test(member));
}

/** The trace id, which all messages and log lines of one trace share. */
export const traceIdOf = (trace: Trace | undefined): string | undefined => trace?.parent.slice(3, 35);
