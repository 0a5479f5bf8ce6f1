import { decode } from '../../src/messages/incoming/decode';
import type { Decoded } from '../../src/messages/incoming/decoded';
import type { Random } from '../random';
import { Memory } from './memory';
import { fuzzMessages } from './messages';
import { problemOf } from './well-formed';

export interface DecoderRun {
  outcomes: Map<string, number>;
  problems: string[];
  memory: Memory;
}

/** Early enough that some messages are more than a day ahead. */
const NOW = Date.UTC(2026, 0, 1, 3);
const SAMPLE_EVERY = 50_000;

function outcomeOf(decoded: Decoded): string {
  if (decoded.kind === 'dead') return decoded.reason;
  return decoded.kind === 'event' && decoded.partial.length > 0 ? 'partial' : decoded.kind;
}

/** Sends messages through the decoder alone. */
export function fuzzDecoder(
  random: Random,
  count: number,
  onProgress: (done: number, memory: Memory) => void,
): DecoderRun {
  const run: DecoderRun = { outcomes: new Map(), problems: [], memory: new Memory() };
  const messages = fuzzMessages(random);
  for (let done = 1; done <= count; done++) {
    const { source, content, messageId } = messages.next().value;
    let outcome = 'threw';
    try {
      const decoded = decode(source, content, { messageId, now: NOW });
      outcome = outcomeOf(decoded);
      const problem = problemOf(decoded, NOW);
      if (problem) run.problems.push(`${problem}: ${source} ${content.toString('base64').slice(0, 500)}`);
    } catch {
      run.problems.push(`threw: ${source} ${content.toString('base64').slice(0, 500)}`);
    }
    run.outcomes.set(outcome, (run.outcomes.get(outcome) ?? 0) + 1);
    if (done % SAMPLE_EVERY === 0) {
      run.memory.sample(done);
      onProgress(done, run.memory);
    }
  }
  return run;
}
