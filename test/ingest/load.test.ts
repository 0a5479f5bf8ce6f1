import { expect, it } from '@jest/globals';
import { Load } from '../../src/ingest/load';

it('a worker is busy while a batch of at least half the full size is in flight, and for half a second after it', () => {
  const load = new Load(500);
  expect(load.isBusy(0)).toBe(false);
  load.begin(250);
  expect(load.isBusy(60_000)).toBe(true);
  load.begin(1);
  load.end(250, 60_000);
  expect([load.isBusy(60_499), load.isBusy(60_500)]).toEqual([true, false]);
  load.end(1, 60_500);
  expect(load.isBusy(60_500)).toBe(false);
});

it('a worker whose batches are smaller is never busy', () => {
  const load = new Load(500);
  load.begin(249);
  expect(load.isBusy(0)).toBe(false);
  load.end(249, 0);
  expect(load.isBusy(1)).toBe(false);
});
