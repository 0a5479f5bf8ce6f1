import type { ContactEvent } from '../../src/contacts/facts/event';
import { decode } from '../../src/messages/incoming/decode';
import type { DecodeContext, Decoded } from '../../src/messages/incoming/decoded';

/** 21 January 2026, shortly after every example. */
export const NOW = 1_769_000_200_000;
export const UID = '9f3c1a7be2d84c06b5a1e0774cd2f8aa';
export const TYPES = 'https://schemas.accounts.firefox.com/event/';
export const TOKEN = '4c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11';

/** An account event as the publisher sends it. */
export function flat(event: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { event, uid: UID, iss: 'accounts.fxa.test', ts: 1769000123.456, metricsContext: {}, ...fields };
}

export function wrapped(message: unknown, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { MessageId: 'sns-1', Message: JSON.stringify(message), ...fields };
}

export function token(events: Record<string, unknown>, fields: Record<string, unknown> = {}): Record<string, unknown> {
  const named = Object.fromEntries(Object.entries(events).map(([type, payload]) => [TYPES + type, payload]));
  return { iss: 'accounts.fxa.test', sub: UID, aud: 'rp', iat: 1769000123.9, jti: 'jti-1', events: named, ...fields };
}

export function newsletter(event: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { event: `newsletter.${event}`, id: 'form-1', ts: 1769000100.25, email: 'Ada.L@mail.test', ...fields };
}

/** @param message sent unchanged if it is text, else as JSON */
export function read(source: 'fxa' | 'newsletter', message: unknown, context: Partial<DecodeContext> = {}): Decoded {
  const content = typeof message === 'string' ? message : JSON.stringify(message);
  return decode(source, Buffer.from(content), { now: NOW, ...context });
}

export const fxa = (message: unknown, context?: Partial<DecodeContext>) => read('fxa', message, context);
export const form = (message: unknown, context?: Partial<DecodeContext>) => read('newsletter', message, context);

/** The decoded event; throws if the message was not decoded as one. */
export function eventOf(decoded: Decoded): ContactEvent {
  if (decoded.kind !== 'event') throw new Error(JSON.stringify(decoded));
  return decoded.event;
}
