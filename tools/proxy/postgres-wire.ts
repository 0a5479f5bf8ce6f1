/**
 * As much of PostgreSQL's protocol as it takes to count statements on their way.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** Query, Parse, Bind: a statement begins, where none has begun. */
export const BEGINS: ReadonlySet<string> = new Set(['Q', 'P', 'B']);
/** Query, Sync: all of it is sent. */
export const ENDS: ReadonlySet<string> = new Set(['Q', 'S']);
/** ReadyForQuery: all of it is answered. */
export const READY = 'Z';

export interface Frame {
  /** Empty for the first of a client, which has none. */
  type: string;
  bytes: Buffer;
}

/** The messages in one direction of a connection, however the network cuts them. */
export class Frames {
  #rest = Buffer.alloc(0);
  #untyped: boolean;

  /** @param untyped whether the first one has no type, as that of a client */
  constructor(untyped: boolean) {
    this.#untyped = untyped;
  }

  *of(bytes: Buffer): Iterable<Frame> {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const head = this.#untyped ? 0 : 1;
      if (this.#rest.length < head + 4) return;
      const length = head + this.#rest.readInt32BE(head);
      if (this.#rest.length < length) return;
      const frame = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      this.#untyped = false;
      yield { type: head === 0 ? '' : String.fromCharCode(frame[0] as number), bytes: frame };
    }
  }
}

/** What a person would call the statement. */
export function textOf({ type, bytes }: Frame): string {
  const texts = bytes.toString('utf8', 5).split('\0');
  return ((type === 'P' ? texts[1] : texts[0]) ?? '').trim().replace(/\s+/g, ' ').slice(0, 80);
}
