import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalExport } from '../../src/contacts/profile/canonical';
import { history, shuffledBatches } from '../support/histories';
import { factsOf, MemoryStore } from '../support/memory-store';

const numRuns = Number(process.env.HISTORIES ?? 3_000);
const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);

describe(`generated histories (SEED=${seed})`, () => {
  it(
    'end in the same canonical export in any order, with any repetition, in any batches; stored contacts agree with the claims after every batch',
    () => {
      fc.assert(
        fc.property(
          history().chain((events) => fc.tuple(fc.constant(events), shuffledBatches(events))),
          ([events, batches]) => {
            const store = new MemoryStore();
            for (const batch of batches) {
              store.apply(batch);
              expect(store.problems()).toEqual([]);
            }
            expect(store.export()).toEqual(canonicalExport(factsOf(events)));
          },
        ),
        { numRuns, seed },
      );
    },
    60_000 + 10 * numRuns,
  );
});
