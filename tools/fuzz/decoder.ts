import { decode } from '../../src/messages/incoming/decode';
import type { Random } from '../random';
import { Memory } from './memory';
import { fuzzMessage } from './messages';
import { problemOf } from './well-formed';

export interface DecoderRun {
  outcomes: Map<string, number>;
  problems: string[];
  memory: Memory;
}

/** Between the examples' time and a day ahead of it: some of the messages are of the future. */
const NOW = Date.UTC(2026, 0, 1, 3);
const EACH = 50_000;

/** Messages through the decoder alone. */
export function fuzzDecoder(
  random: Random,
  count: number,
  onProgress: (done: number, memory: Memory) => void,
): DecoderRun {
  const run: DecoderRun = { outcomes: new Map(), problems: [], memory: new Memory() };
  for (let done = 1; done <= count; done++) {
    const { source, content, messageId } = fuzzMessage(random);
    let outcome = 'threw';
    try {
      const decoded = decode(source, content, { messageId, now: NOW });
      outcome = decoded.kind === 'dead' ? decoded.reason : decoded.kind;
      const problem = problemOf(decoded, NOW);
      if (problem) run.problems.push(`${problem}: ${source} ${content.toString('base64').slice(0, 500)}`);
    } catch {
      run.problems.push(`threw: ${source} ${content.toString('base64').slice(0, 500)}`);
    }
    run.outcomes.set(outcome, (run.outcomes.get(outcome) ?? 0) + 1);
    if (done % EACH === 0) {
      run.memory.sample(done);
      onProgress(done, run.memory);
    }
  }
  return run;
}
