/**
 * The part of PostgreSQL's protocol that is needed to count statements.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { FrameSplitter } from './frame-splitter';

/** Query, Parse, Bind: the first of them begins a statement. */
export const BEGINS: ReadonlySet<string> = new Set(['Q', 'P', 'B']);
/** Query, Sync: the statement is sent completely. */
export const ENDS: ReadonlySet<string> = new Set(['Q', 'S']);
/** ReadyForQuery: it is answered completely. */
export const READY = 'Z';

export interface PostgresFrame {
  /** Empty for a client's first message, which has no type. */
  type: string;
  bytes: Buffer;
}

/** @returns a function that cuts bytes into messages */
export function postgresFrames(from: 'client' | 'server'): (bytes: Buffer) => Iterable<PostgresFrame> {
  const headLength = (isFirst: boolean): number => (isFirst && from === 'client' ? 0 : 1);
  const splitter = new FrameSplitter((rest, isFirst) => {
    const head = headLength(isFirst);
    return rest.length < head + 4 ? undefined : head + rest.readInt32BE(head);
  });
  return function* (bytes) {
    for (const frame of splitter.split(bytes)) {
      const type = headLength(frame.isFirst) === 0 ? '' : String.fromCharCode(frame.bytes[0] as number);
      yield { type, bytes: frame.bytes };
    }
  };
}

/** The statement's text, shortened for people. */
export function textOf({ type, bytes }: PostgresFrame): string {
  const texts = bytes.toString('utf8', 5).split('\0');
  return ((type === 'P' ? texts[1] : texts[0]) ?? '').trim().replace(/\s+/g, ' ').slice(0, 80);
}
