import { MAILER_QUEUE } from '../rabbitmq/names';

/** A page takes well under a second: a notification that waits this long is stuck, or its relay hangs. */
const LONG_SECONDS = 300;

/** What the health check says of the age of the oldest notification, whichever process has the relay's lock. */
export function outboxProblems(outbox: { oldestSeconds: number } | null): string[] {
  if (outbox === null || outbox.oldestSeconds < LONG_SECONDS) return [];
  const seconds = Math.round(outbox.oldestSeconds);
  return [`The oldest notification has waited for ${seconds} s: look at the relays and at the queue ${MAILER_QUEUE}.`];
}
