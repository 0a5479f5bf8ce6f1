import { describe, expect, it } from '@jest/globals';
import { LookTurns } from '../../src/ingest/look-turns';

const LOST = 2;
const KEPT = 0;

/** Reports batches that looked together. @returns how many look alone then */
function aloneAfter(turns: LookTurns, ...looks: number[]): number {
  for (const lostLooks of looks) turns.lookedTogether(lostLooks);
  let alone = 0;
  while (turns.next()) alone += 1;
  return alone;
}

describe('batches look alone', () => {
  it('not because one of them loses its look now and then', () => {
    expect(aloneAfter(new LookTurns(), LOST)).toBe(0);
    expect(aloneAfter(new LookTurns(), ...Array(20).fill([LOST, KEPT, KEPT, KEPT]).flat())).toBe(0);
  });

  it('if one of three loses its look, as when two slots overtake each other in turn', () => {
    expect(aloneAfter(new LookTurns(), LOST, KEPT, KEPT, LOST)).toBe(4);
  });

  it('more of them at a time, up to a limit, each time that one looks together and loses', () => {
    const turns = new LookTurns();
    turns.lookedTogether(LOST);
    expect([1, 2, 3, 4].map(() => aloneAfter(turns, LOST))).toEqual([16, 64, 64, 64]);
  });

  it('no more once those that look together keep their looks', () => {
    const turns = new LookTurns();
    expect(aloneAfter(turns, LOST, LOST)).toBeGreaterThan(0);
    expect(aloneAfter(turns, KEPT, KEPT, KEPT, KEPT, KEPT, KEPT)).toBe(0);
    expect(aloneAfter(turns, LOST)).toBe(0);
  });
});
