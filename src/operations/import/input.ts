import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { OperatorError } from '../../foundation/operator-error';

/** A file or a stream, read only as fast as it is consumed. */
export interface Input {
  /** The content, unpacked. */
  chunks: AsyncIterable<Buffer>;
  /** Bytes of the file read so far, compressed if it is. */
  bytesRead(): number;
  /** Bytes of the whole file; null when unknown. */
  size: number | null;
  /** Identifies the file and its content, by size, time of modification and first bytes; null for a stream. */
  fingerprint: string | null;
  close(): Promise<void>;
}

const CHUNK = 256 * 1024;
const HEAD = 64 * 1024;

/** @throws OperatorError when the file cannot be read */
export async function openFile(path: string): Promise<Input> {
  const file = await open(path, 'r').catch(({ code = '' }: NodeJS.ErrnoException) => {
    const problem = UNREADABLE[code] ?? 'check its path and the disk';
    throw new OperatorError(`The file cannot be read (${code}): ${problem}.`);
  });
  const stat = await file.stat();
  if (stat.isDirectory()) {
    await file.close();
    throw new OperatorError(
      'The file cannot be read (EISDIR): it is a folder. Name an NDJSON file, or - for standard input.',
    );
  }
  const head = Buffer.alloc(HEAD);
  // A pipe can be read only once, and its size is unknown.
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

const UNREADABLE: Record<string, string> = {
  ENOENT: 'no file has this name',
  EACCES: 'this user may not read it',
};

/** The first bytes of a gzip file (RFC 1952). */
const GZIP = [0x1f, 0x8b];

/** Unpacks gzip, which is recognised by its first bytes, not by the name of the file. */
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
  pipeline(Readable.from(all()), gunzip, () => undefined); // the loop below throws the error
  try {
    for await (const chunk of gunzip) yield chunk;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR') throw new OperatorError(`The gzip file is truncated (${code}): ${AGAIN}.`);
    if (code?.startsWith('Z_')) throw new OperatorError(`The gzip file is damaged (${code}): ${AGAIN}.`);
    throw error;
  }
}

const AGAIN = 'get the whole file, and run the same command again; nothing is imported twice';
