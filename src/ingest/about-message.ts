import type { ContactEvent, Trace } from '../contacts/facts/event';
import { traceIdOf } from '../messages/trace';

/** A uuid, a hash or a number, which cannot be a person's name or address. */
const IMPERSONAL = /^[0-9a-f-]{16,64}$/i;

/**
 * Log fields that let a message be followed from its producer to the mailer: the event's id and its trace's id. Producers
 * choose the event ids, so an id that could be a person's name or address is left out.
 */
export function aboutMessage(
  eventId: string | undefined,
  trace: Trace | undefined,
): { eventId?: string; traceId?: string } {
  const traceId = traceIdOf(trace);
  return {
    ...(eventId !== undefined && IMPERSONAL.test(eventId) && { eventId }),
    ...(traceId !== undefined && { traceId }),
  };
}

const FIRST_EVENTS = 5;

/** The same for several messages: the ids of the first few events. */
export function aboutMessages(events: readonly ContactEvent[]): object {
  const [only, another] = events;
  if (only && !another) return aboutMessage(only.trigger.id, only.trigger.trace);
  return {
    eventIds: events
      .slice(0, FIRST_EVENTS)
      .map(({ trigger }) => trigger.id)
      .filter((id) => IMPERSONAL.test(id)),
  };
}
