import type { Trace } from '../contacts/facts/event';
import { traceIdOf } from '../messages/trace';

/** A uuid, a hash or a number: what cannot be somebody's name or address. */
const TELLS_NOBODY = /^[0-9a-f-]{16,64}$/i;

/**
 * What a log line says of one message, so that it can be followed from its producer to the mailer: the event's id and the
 * id of its trace. Producers choose ids as they like, so one that may be somebody's name or address is left out.
 */
export function aboutMessage(
  eventId: string | undefined,
  trace: Trace | undefined,
): { eventId?: string; traceId?: string } {
  const traceId = traceIdOf(trace);
  return {
    ...(eventId !== undefined && TELLS_NOBODY.test(eventId) && { eventId }),
    ...(traceId !== undefined && { traceId }),
  };
}
