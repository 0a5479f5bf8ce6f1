/**
 * The list of erasures outside the database. A backup that is restored brings erased people back; the list says whom to
 * erase again, in keyed hashes only.
 */
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Time } from '../../contacts/facts/event';
import { parseJson } from '../../foundation/json';
import { OperatorError } from '../../foundation/operator-error';
import { iso } from '../../foundation/times';
import { erasureHash } from '../../postgres/tables/erasure';

export interface ListedErasure {
  /** Events up to this time that name the person are dropped. */
  at: Time;
  /** Hashes in hexadecimal digits. */
  addresses: string[];
  accounts: string[];
}

const KEY_DIGITS = 16;

/** Identifies the key of the hashes. */
const fingerprint = (erasureKey: string): string => erasureHash(erasureKey, { kind: 'check' }).slice(0, KEY_DIGITS);

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const Line = z.object({
  at: z.iso.datetime().transform(Date.parse),
  key: z.string(),
  addresses: z.array(hash),
  accounts: z.array(hash),
});

/**
 * Appends an erasure, and returns once it is on the disk. Call it last in the transaction: an erasure that then fails to
 * commit is in the list needlessly, which is better than a committed erasure that is missing.
 *
 * @throws OperatorError if the file cannot be written
 */
export async function appendToList(
  path: string,
  erasureKey: string,
  { at, addresses, accounts }: ListedErasure,
): Promise<void> {
  // Rounded in the same way as in the database, so that the erasure is recognised there.
  const line = { at: iso(Math.round(at)), key: fingerprint(erasureKey), addresses, accounts };
  try {
    await appendDurably(path, JSON.stringify(line));
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new OperatorError(
      `ERASURE_LIST cannot be written (${code}), so nothing was erased: make its folder writable, or name another file.`,
      { cause: error },
    );
  }
}

async function appendDurably(path: string, line: string): Promise<void> {
  const file = await open(path, 'a+', 0o600);
  try {
    const { size } = await file.stat();
    const last =
      size === 0 ? '\n' : (await file.read({ buffer: Buffer.alloc(1), position: size - 1 })).buffer.toString();
    // After a crash in the middle of a line, the new one must not be part of it.
    await file.appendFile(`${last === '\n' ? '' : '\n'}${line}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  const folder = await open(dirname(path), 'r'); // so that the name of a new file is on the disk, too
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * @returns the erasures, earliest first, and the numbers of unreadable lines: those are from a crash in the middle of a
 *   line, before the commit, so nothing was erased
 * @throws OperatorError if the file does not exist, or its hashes were made with another key
 */
export async function readList(
  path: string,
  erasureKey: string,
): Promise<{ erasures: ListedErasure[]; unreadable: number[] }> {
  const text = await readFile(path, 'utf8').catch(({ code }: NodeJS.ErrnoException) => {
    throw new OperatorError(`The list of erasures cannot be read (${code}): name the file that ERASURE_LIST names.`);
  });
  const erasures: ListedErasure[] = [];
  const unreadable: number[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const read = Line.safeParse(parseJson(line));
    if (!read.success) {
      unreadable.push(i + 1);
      continue;
    }
    const { key, ...erasure } = read.data;
    if (key !== fingerprint(erasureKey)) {
      throw new OperatorError(
        `Line ${i + 1} of the list of erasures was written with another ERASURE_KEY: set ERASURE_KEY to that key.`,
      );
    }
    erasures.push(erasure);
  }
  return { erasures: erasures.sort((a, b) => a.at - b.at), unreadable };
}
