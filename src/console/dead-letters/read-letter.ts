import type { BrowseRun } from '../../operations/dead-letters/run';
import { browseDeadLetters } from '../../operations/dead-letters/run';
import { letterHead } from '../../operations/dead-letters/text';
import type { Broker } from '../../operations/servers';
import { toReplay } from '../../rabbitmq/publishing/dead-letter';
import { bodyLines, problemsNow, readerIn } from './body-lines';
import type { Letter } from './letter-page';

/** @returns what a page shows of a dead letter; null if there is none with this id, or it was not found in time */
export async function readLetter(
  broker: Broker,
  id: string,
  run: Omit<BrowseRun, 'filter'>,
): Promise<{ letter: Letter | null; interrupted: boolean }> {
  let found: Letter | null = null;
  const { matched, interrupted } = await browseDeadLetters(
    broker,
    { ...run, filter: { ids: new Set([id]) } },
    async (delivery, letter) => {
      if (found === null) {
        const now = problemsNow(delivery.content, letter.origin);
        const problems = [...new Set([...recorded(letter.error), ...(now ?? [])])];
        found = {
          ...{ shown: letterHead(delivery, letter), problemsNow: now, body: bodyLines(delivery.content, problems) },
          ...{ reader: readerIn(delivery.content), isReplayable: toReplay(delivery, letter) !== undefined, equals: 1 },
        };
      }
      return { do: 'keep' };
    },
  );
  return { letter: found && { ...(found as Letter), equals: matched }, interrupted };
}

/** The problems in the error of a message that was not understood: each names a field. Other errors are about no field. */
const recorded = (error: string | null): string[] =>
  (error ?? '').split('; ').filter((problem) => /^[\w.-]+: \S/.test(problem));
