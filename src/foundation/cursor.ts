/** A reader's place in the change feed, as text that only this module understands. */
import { createHash } from 'node:crypto';

/** All changes up to this one were delivered. Positions are ordered by (changedIn, contactId). */
export interface Position {
  /** Renewed after a restore: positions of different epochs cannot be compared. */
  epoch: string;
  /** The id of the transaction that last changed the contact; 0 if that was before the feed existed. */
  changedIn: bigint;
  contactId: string;
}

/** The first byte. The text begins with a letter, so that a command line does not take it for an option. */
const FORMAT = 1;
/** The offset of each part; the format is at 0. */
const [EPOCH, CHANGED_IN, CONTACT, CHECK] = [1, 17, 25, 41];
const CHECK_BYTES = 4;
const SHAPE = /^[\w-]{60}$/;

export function encodeCursor({ epoch, changedIn, contactId }: Position): string {
  const bytes = Buffer.alloc(CHECK, FORMAT);
  bytes.write(epoch.replaceAll('-', ''), EPOCH, 'hex');
  bytes.writeBigUInt64BE(changedIn, CHANGED_IN);
  bytes.write(contactId.replaceAll('-', ''), CONTACT, 'hex');
  const check = createHash('sha256').update(bytes).digest().subarray(0, CHECK_BYTES);
  return Buffer.concat([bytes, check]).toString('base64url');
}

/** Undefined for text that `encodeCursor` did not write: a mistyped cursor must not skip changes. */
export function decodeCursor(text: string): Position | undefined {
  if (!SHAPE.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  const position = {
    epoch: uuidAt(bytes, EPOCH),
    changedIn: bytes.readBigUInt64BE(CHANGED_IN),
    contactId: uuidAt(bytes, CONTACT),
  };
  return encodeCursor(position) === text ? position : undefined;
}

const uuidAt = (bytes: Buffer, start: number): string =>
  bytes.toString('hex', start, start + 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
