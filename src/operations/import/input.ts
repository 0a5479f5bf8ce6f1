import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { OperatorError } from '../../foundation/operator-error';

/** Bytes that come in, counted as they are taken: more are read only when these are used up. */
export interface Input {
  /** Unpacked. */
  chunks: AsyncIterable<Buffer>;
  /** As they lie in the file, read so far. */
  bytesRead(): number;
  /** Of the whole file; null where nobody knows. */
  size: number | null;
  /** Tells this file from others, and from itself once it is written again; null of standard input. */
  fingerprint: string | null;
  close(): Promise<void>;
}

const CHUNK = 256 * 1024;
const HEAD = 64 * 1024;

/** @throws OperatorError where there is nothing to read */
export async function openFile(path: string): Promise<Input> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new OperatorError(`The file cannot be read (${error.code}): ${whyNot(error.code)}.`);
  });
  const stat = await file.stat();
  if (stat.isDirectory()) {
    await file.close();
    throw new OperatorError(
      'The file cannot be read (EISDIR): this is a folder; name a file of NDJSON, or - for stdin.',
    );
  }
  const head = Buffer.alloc(HEAD);
  // A pipe has no beginning to look at twice, and no end that is known.
  const isFile = stat.isFile();
  const { bytesRead: known } = isFile ? await file.read(head, 0, HEAD, 0) : { bytesRead: 0 };
  const stream = file.createReadStream({ highWaterMark: CHUNK, ...(isFile && { start: 0 }), autoClose: false });
  const fingerprint = createHash('sha256')
    .update(`${stat.size} ${stat.mtimeMs} `)
    .update(head.subarray(0, known))
    .digest('hex');
  return {
    chunks: unpacked(stream),
    bytesRead: () => stream.bytesRead,
    size: isFile ? stat.size : null,
    fingerprint: isFile ? fingerprint : null,
    close: async () => {
      stream.destroy();
      await file.close();
    },
  };
}

export function openStream(stream: AsyncIterable<Uint8Array>): Input {
  let read = 0;
  async function* counted(): AsyncIterable<Buffer> {
    for await (const chunk of stream) {
      read += chunk.length;
      yield Buffer.from(chunk);
    }
  }
  return {
    chunks: unpacked(counted()),
    bytesRead: () => read,
    size: null,
    fingerprint: null,
    close: async () => undefined,
  };
}

const whyNot = (code: string | undefined): string =>
  code === 'ENOENT'
    ? 'there is none of this name'
    : code === 'EACCES'
      ? 'this user may not read it'
      : 'look at its path, and at the disk';

/** RFC 1952, section 2.3.1. */
const GZIP = [0x1f, 0x8b];

/** What gzip packed is unpacked: known by its first bytes, whatever the file is called. */
async function* unpacked(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]();
  let first = Buffer.alloc(0);
  while (first.length < GZIP.length) {
    const next = await iterator.next();
    if (next.done) break;
    first = Buffer.concat([first, next.value]);
  }
  async function* all(): AsyncIterable<Buffer> {
    yield first;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  }
  if (!GZIP.every((byte, i) => first[i] === byte)) return yield* all();
  const gunzip = createGunzip({ chunkSize: CHUNK });
  pipeline(Readable.from(all()), gunzip, () => undefined); // an error comes out below
  try {
    for await (const chunk of gunzip) yield chunk;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR') throw new OperatorError(`The gzip file is cut off (${code}): ${AGAIN}.`);
    if (code?.startsWith('Z_')) throw new OperatorError(`The gzip file is damaged (${code}): ${AGAIN}.`);
    throw error;
  }
}

const AGAIN = 'get the whole file, and run the same command again; what is imported already is not taken twice';
