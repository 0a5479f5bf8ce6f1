/** How much one body can cost. */
import { describe, expect, it } from '@jest/globals';
import { MAX_BODY_BYTES } from '../../src/intake/newsletter';
import { readMessages } from '../../src/intake/read-messages';

const CONTEXT = { now: Date.now(), vouches: true, trace: undefined };

/** Reads a body, and counts how often the rest of the process has a turn meanwhile. */
async function readInTurns(body: string) {
  let turns = 0;
  let isRead = false;
  const count = (): void => {
    turns += 1;
    if (!isRead) setImmediate(count);
  };
  setImmediate(count);
  const read = await readMessages(Buffer.from(body), CONTEXT);
  isRead = true;
  return { read, turns };
}

describe('a body of the largest size', () => {
  // Each number is a fault of its own.
  const faulty = `{"event":"newsletter.subscribe","ts":1769000100,"email":"ada@mail.test","newsletters":["x"${',0'.repeat(130_000)}]}`;
  const list = `[${[faulty, faulty, faulty].join(',')}]`;

  it('is read in turns with other work, and its answer is bounded', async () => {
    expect(list.length).toBeLessThan(MAX_BODY_BYTES);
    const { read, turns } = await readInTurns(list);
    expect(turns).toBeGreaterThan(1);
    if (!('messages' in read)) throw new Error('it was refused');
    // Of each message the first problems are listed, and how many more there are.
    expect(read.answer.warnings).toHaveLength(3 * 21);
    expect(JSON.stringify(read.answer).length).toBeLessThan(10_000);
  });

  it('has no more warnings than its messages have fields, however many messages it has', async () => {
    const odd = { event: 'newsletter.subscribe', ts: 1_769_000_100, email: 'a@b.test', lang: 1, country: 1, format: 1 };
    const { read } = await readInTurns(JSON.stringify(Array(500).fill(odd)));
    expect('answer' in read && read.answer.warnings).toHaveLength(1_500);
  });
});
