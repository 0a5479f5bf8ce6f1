import { FXA_QUEUE, NEWSLETTER_QUEUE } from '../rabbitmq/names';

/** The parts that `start` runs unless told otherwise. */
export const SERVICE_PARTS = ['fxa', 'newsletter', 'relay', 'maintenance', 'http', 'intake'] as const;
/** The console is for people, and needs keys that the service does not: it runs only when asked for. */
export const PARTS = [...SERVICE_PARTS, 'console'] as const;
export type Part = (typeof PARTS)[number];

/** Whether these parts need the broker. The console connects to it for single pages. */
export const handlesMessages = (parts: readonly Part[]): boolean =>
  parts.some((part) => part !== 'http' && part !== 'maintenance' && part !== 'console');

/** Whether these parts need the database: intake, which only publishes, does not. */
export const needsDatabase = (parts: readonly Part[]): boolean => parts.some((part) => part !== 'intake');

/** Whether these parts have endpoints that need an API key. */
export const needsKeys = (parts: readonly Part[]): boolean =>
  parts.some((part) => part === 'http' || part === 'intake');

/** Whether these parts write to the database: look-ups and intake do not. */
export const writesTo = (parts: readonly Part[]): boolean => parts.some((part) => part !== 'http' && part !== 'intake');

/** The queue of each part that consumes events. */
export const QUEUES = { fxa: FXA_QUEUE, newsletter: NEWSLETTER_QUEUE } as const;

/** The parts among these that consume events. */
export const sourcesOf = (parts: readonly Part[]): (keyof typeof QUEUES)[] =>
  (['fxa', 'newsletter'] as const).filter((source) => parts.includes(source));
