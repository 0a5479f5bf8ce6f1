/** The fuzzer itself, small: `npm run fuzz` sends a million. */
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

it(`of thousands of mutated and random messages none is lost, none ends the service, and each is counted once (SEED=${seed})`, async () => {
  const database = await freshDatabase();
  try {
    const { amqpUrl, databaseUrl } = { amqpUrl: broker().url, databaseUrl: database.url };
    const run = await fuzzService({ amqpUrl, databaseUrl, random: new Random(seed), count: 3_000, chunk: 1_500 });
    expect(run.problems).toEqual([]);
    expect(sum(run.counted)).toBe(3_000);
    // Every dead letter that was counted is there, under the same reason.
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

it(`the decoder reads all of them without throwing, to a well-formed outcome (SEED=${seed})`, () => {
  expect(decoderRun(seed).problems).toEqual([]);
}, 120_000);

it('the messages are of every kind that the decoder tells apart', () => {
  const { outcomes } = decoderRun(1); // with some seeds, one kind or another does not come up
  for (const kind of ['event', 'ignored', ...DEAD_LETTER_REASONS]) expect([...outcomes.keys()]).toContain(kind);
}, 120_000);
