import pino, { type DestinationStream, type Logger } from 'pino';
import { readable } from './readable';

/** Where an error came from, without its message. */
export function framesOf({ stack = '', message }: Error): string[] {
  // A message of several lines may contain a line that looks like a frame.
  const start = stack.indexOf(message);
  const frames = start < 0 ? '' : stack.slice(start + message.length);
  return frames.split('\n').flatMap((line) => /^\s+at (.+)/.exec(line)?.[1] ?? []);
}

const ownCode = (error: Error): string => ('code' in error ? String(error.code) : error.name);

/** Standard output, written to before a call to the log returns. */
export function logTo(format: 'json' | 'pretty', colour: boolean): DestinationStream {
  const stdout = pino.destination({ fd: 1, sync: true });
  return format === 'pretty' ? readable(stdout, colour) : stdout;
}

/**
 * The log of the running service: one JSON object per line. Of an error, the log
 * shows type, code and stack frames, never its text, which may contain an address or the values of a statement.
 *
 * @param codeOf finds the most specific code in an error, however deeply it is wrapped
 */
export function makeLog(
  level: string,
  destination: DestinationStream,
  codeOf: (error: Error) => string = ownCode,
): Logger {
  const serialize = (error: unknown) =>
    error instanceof Error ? { type: error.name, code: codeOf(error), stack: framesOf(error) } : { type: typeof error };
  return pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serialize, error: serialize },
      hooks: {
        // If it gets only an error, pino uses the error's text as the message.
        logMethod([first, ...rest], method) {
          if (first instanceof Error && rest.length === 0) method.apply(this, [{ err: first }, 'error']);
          else method.apply(this, [first, ...rest] as Parameters<typeof method>);
        },
      },
    },
    destination,
  );
}
