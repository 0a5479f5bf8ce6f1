import type { Breakpoint } from './breakpoint';
import { BEGINS, ENDS, postgresFrames, READY, textOf } from './postgres-frames';
import type { Link, Reader } from './tcp-proxy';

/** The settings of a new session: a connection that is opened again would shift the numbers. */
const SETTINGS = /^SET \w+ TO [^;]*;SET /;

/**
 * Counts the statements on one connection to PostgreSQL.
 *
 * @param onlyInTransactions leave out the others: a process sends them at startup, and they change nothing
 */
export function statementSteps(breakpoint: Breakpoint, link: Link, { onlyInTransactions = false } = {}): Reader {
  const [requests, responses] = [postgresFrames('client'), postgresFrames('server')];
  let inTransaction = false;
  let isSending = false;
  let sending: { nr: number; endsTransaction: boolean } | undefined;
  let answering: typeof sending;
  return {
    asked(bytes) {
      for (const frame of requests(bytes)) {
        if (breakpoint.hit) return;
        if (!isSending && BEGINS.has(frame.type)) {
          isSending = true;
          const text = textOf(frame);
          inTransaction ||= /^begin\b/i.test(text);
          if ((inTransaction || !onlyInTransactions) && !SETTINGS.test(text)) {
            const endsTransaction = /^(commit|rollback)\b/i.test(text);
            sending = { nr: breakpoint.count('statement', text), endsTransaction };
            if (breakpoint.stopsAt('statement', sending.nr, 'before')) return;
          }
        }
        link.toTarget(frame.bytes);
        if (!ENDS.has(frame.type)) continue;
        if (sending?.endsTransaction) inTransaction = false;
        [answering, sending, isSending] = [sending, undefined, false];
      }
    },
    answered(bytes) {
      for (const frame of responses(bytes)) {
        if (breakpoint.hit) return;
        const isAtPoint = answering !== undefined && breakpoint.isAt('statement', answering.nr, 'after');
        if (!isAtPoint) link.toClient(frame.bytes);
        else if (frame.type === READY) breakpoint.stopsAt('statement', answering?.nr ?? 0, 'after');
      }
    },
  };
}
