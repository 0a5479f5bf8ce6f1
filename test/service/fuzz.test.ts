/** A short fuzz run; `npm run fuzz` sends a million messages. */
import { expect, it } from '@jest/globals';
import { DEAD_LETTER_REASONS } from '../../src/messages/incoming/decoded';
import { brokenPromises } from '../../tools/broken-promises';
import { fuzzDecoder } from '../../tools/fuzz/decoder';
import { fuzzIntake } from '../../tools/fuzz/intake';
import { fuzzService, type ServiceRun } from '../../tools/fuzz/service';
import { total } from '../../tools/fuzz/tally';
import { Random } from '../../tools/random';
import { withBroker } from '../support/broker';
import { freshDatabase } from '../support/database';

const broker = withBroker();
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 32);

/** Runs what must end without a problem. */
async function fuzzed(options: { count: number; chunk?: number; nesting?: boolean }): Promise<ServiceRun> {
  const database = await freshDatabase();
  try {
    const servers = { amqpUrl: broker().url, databaseUrl: database.url };
    const run = await fuzzService({ ...servers, random: new Random(seed), ...options });
    expect(run.problems).toEqual([]);
    expect(total(run.counted)).toBe(options.count);
    expect(await brokenPromises(database, 'published')).toEqual([]);
    return run;
  } finally {
    await database.drop();
  }
}

it(`a thousand mutated and random messages do not end the service; none is lost, and each is counted once (SEED=${seed})`, async () => {
  const run = await fuzzed({ count: 1_000, chunk: 500 });
  expect(total(run.deadLetters)).toBeGreaterThan(150);
  expect(run.counted.get('ok')).toBeGreaterThan(150);
}, 120_000);

it(`deeply nested headers neither end the service nor keep a healthy message from being handled (SEED=${seed})`, async () => {
  await fuzzed({ count: 500, nesting: true });
}, 120_000);

it(`damaged and random requests with events get an answer of their own, and what is taken reaches its queue (SEED=${seed})`, async () => {
  await broker().freshTopology();
  const run = await fuzzIntake({ amqpUrl: broker().url, random: new Random(seed), count: 800 });
  expect(run.problems).toEqual([]);
  for (const route of ['newsletter', 'account']) {
    for (const status of [202, 400]) expect(run.answers.get(`/events/${route} ${status}`)).toBeGreaterThan(20);
  }
}, 120_000);

const decoderRun = (from: number) => fuzzDecoder(new Random(from), 30_000, () => undefined);

it(`the decoder never throws, and its outcomes are well-formed (SEED=${seed})`, () => {
  expect(decoderRun(seed).problems).toEqual([]);
}, 120_000);

it('fuzzed messages have every outcome that the decoder distinguishes', () => {
  const { outcomes } = decoderRun(1); // some seeds miss a kind
  for (const kind of ['event', 'ignored', ...DEAD_LETTER_REASONS]) expect([...outcomes.keys()]).toContain(kind);
}, 120_000);
