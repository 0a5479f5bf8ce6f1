import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { LookTurns } from '../../../src/ingest/apply/look-turns';

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

describe('slots', () => {
  /** Two works that begin as far as they may. @returns how many run at the same time */
  async function together(turns: LookTurns): Promise<number> {
    let [running, most] = [0, 0];
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const work = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await ended;
      running -= 1;
    };
    const both = [turns.inTurn(work), turns.inTurn(work)];
    await setImmediate();
    end();
    await Promise.all(both);
    return most;
  }

  it('handle their batches at the same time, but one after the other while batches look alone', async () => {
    const turns = new LookTurns();
    expect(await together(turns)).toBe(2);
    for (const lostLooks of [LOST, LOST]) turns.lookedTogether(lostLooks);
    expect(await together(turns)).toBe(1);
    while (turns.next());
    expect(await together(turns)).toBe(2);
  });

  it('get their turn although the work before them failed', async () => {
    const turns = new LookTurns();
    for (const lostLooks of [LOST, LOST]) turns.lookedTogether(lostLooks);
    const failing = turns.inTurn(() => Promise.reject(new Error('failed')));
    const next = turns.inTurn(async () => 'done');
    await expect(failing).rejects.toThrow('failed');
    expect(await next).toBe('done');
  });
});
