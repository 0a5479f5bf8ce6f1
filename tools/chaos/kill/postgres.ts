import { BEGINS, ENDS, Frames, READY, textOf } from '../../proxy/postgres-wire';
import type { Link, Reader } from '../../proxy/tcp-proxy';
import type { Gate } from './gate';

/**
 * One connection to PostgreSQL. Statements outside of transactions are no steps: they are what a process asks when it
 * starts, and change nothing.
 */
export function postgres(gate: Gate, link: Link): Reader {
  const [asked, answered] = [new Frames(true), new Frames(false)];
  let inTransaction = false;
  /** The statement that is being sent. */
  let sending = false;
  let current: { nr: number; ends: boolean } | undefined;
  /** The one that is being answered. */
  let last: typeof current;
  return {
    asked(bytes) {
      for (const frame of asked.of(bytes)) {
        if (gate.killed) return;
        if (!sending && BEGINS.has(frame.type)) {
          sending = true;
          const text = textOf(frame);
          inTransaction ||= /^begin\b/i.test(text);
          if (inTransaction) current = { nr: gate.count('statement', text), ends: /^(commit|rollback)\b/i.test(text) };
          if (current && gate.ends('statement', current.nr, 'before')) return;
        }
        link.toTarget(frame.bytes);
        if (!ENDS.has(frame.type)) continue;
        if (current?.ends) inTransaction = false;
        last = current;
        current = undefined;
        sending = false;
      }
    },
    answered(bytes) {
      const kept: Buffer[] = [];
      for (const frame of answered.of(bytes)) {
        // Nothing of the answer arrives when the worker is killed after it: so it is passed on at its end.
        if (frame.type === READY && last && gate.ends('statement', last.nr, 'after')) return;
        kept.push(frame.bytes);
      }
      if (!gate.killed) for (const frame of kept) link.toClient(frame);
    },
  };
}
