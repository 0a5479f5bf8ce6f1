import pino, { type DestinationStream, type Logger } from 'pino';
import { failureOf } from '../postgres/errors';

/** An error in a log line: its kind and code. Never its text, which may hold an address or a statement's values. */
function errorInLog(error: unknown) {
  if (!(error instanceof Error)) return { type: typeof error };
  return { type: error.name, code: failureOf(error).code, stack: framesOf(error) };
}

/** Where an error came from, without its message. */
export function framesOf({ stack = '', message }: Error): string[] {
  // A message of several lines may hold one that looks like a frame.
  const start = stack.indexOf(message);
  const frames = start < 0 ? '' : stack.slice(start + message.length);
  return frames.split('\n').flatMap((line) => /^\s+at (.+)/.exec(line)?.[1] ?? []);
}

/** The log of the running service: one JSON object a line on stdout, written before the call returns. */
export function makeLog(
  level: string,
  destination: DestinationStream = pino.destination({ fd: 1, sync: true }),
): Logger {
  return pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorInLog, error: errorInLog },
      hooks: {
        // An error alone would give the line its message.
        logMethod([first, ...rest], method) {
          if (first instanceof Error && rest.length === 0) method.apply(this, [{ err: first }, 'error']);
          else method.apply(this, [first, ...rest] as Parameters<typeof method>);
        },
      },
    },
    destination,
  );
}
