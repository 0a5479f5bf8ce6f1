/** A small run of the fuzzer; `npm run fuzz` sends a million messages. */
import { expect, it } from '@jest/globals';
import { DEAD_LETTER_REASONS } from '../../src/messages/incoming/decoded';
import { fuzzDecoder } from '../../tools/fuzz/decoder';
import { fuzzService, sum } from '../../tools/fuzz/service';
import { Random } from '../../tools/random';
import { withBroker } from '../support/broker';
import { freshDatabase } from '../support/database';
import { brokenPromises } from '../support/stored';

const broker = withBroker();
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 32);

it(`thousands of mutated and random messages lose none, do not end the service, and are each counted once (SEED=${seed})`, async () => {
  const database = await freshDatabase();
  try {
    const { amqpUrl, databaseUrl } = { amqpUrl: broker().url, databaseUrl: database.url };
    const run = await fuzzService({ amqpUrl, databaseUrl, random: new Random(seed), count: 3_000, chunk: 1_500 });
    expect(run.problems).toEqual([]);
    expect(sum(run.counted)).toBe(3_000);
    // Every counted dead letter is in the queue, with the same reason.
    for (const [reason, count] of run.deadLetters)
      expect([reason, run.counted.get(`dead ${reason}`)]).toEqual([reason, count]);
    expect(sum(run.deadLetters)).toBeGreaterThan(500);
    expect(run.counted.get('ok')).toBeGreaterThan(500);
    expect(
      (await brokenPromises(database)).filter((problem) => !problem.startsWith('announced merge without')),
    ).toEqual([]);
  } finally {
    await database.drop();
  }
}, 120_000);

const decoderRun = (from: number) => fuzzDecoder(new Random(from), 30_000, () => undefined);

it(`the decoder never throws, and gives every message a well-formed outcome (SEED=${seed})`, () => {
  expect(decoderRun(seed).problems).toEqual([]);
}, 120_000);

it('the fuzzer produces messages of every kind that the decoder distinguishes', () => {
  const { outcomes } = decoderRun(1); // some seeds miss a kind
  for (const kind of ['event', 'ignored', ...DEAD_LETTER_REASONS]) expect([...outcomes.keys()]).toContain(kind);
}, 120_000);
