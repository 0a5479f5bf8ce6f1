import type { Database } from '../../postgres/database';
import { browseQueue, lockQueue } from '../../rabbitmq/browse-queue';
import { toTail } from '../../rabbitmq/dead-letter';
import { DEAD_LETTERS } from '../../rabbitmq/names';
import { mentionsOf } from '../mentions';
import type { Broker } from '../servers';
import { type Erased, type EraseOptions, erasePerson } from './run';
import type { Wanted } from './store';

/**
 * Drops the dead letters that name a person, then erases the person. In this order, because only the database knows all
 * names: an interrupted command can be run again.
 *
 * @returns also how many dead letters were dropped; in a dry run, how many would be
 */
export async function eraseWithDeadLetters(
  db: Database,
  { connection, publisher }: Broker,
  wanted: Wanted,
  options: EraseOptions,
): Promise<Erased & { deadLetters: number }> {
  const { names } = await erasePerson(db, wanted, { ...options, dryRun: true });
  const isNamedIn = mentionsOf(names);
  let deadLetters = 0;
  await lockQueue(connection, DEAD_LETTERS);
  await browseQueue({
    connection,
    publisher,
    queue: DEAD_LETTERS,
    signal: new AbortController().signal,
    copy: toTail,
    visit: ({ content }) => {
      if (!isNamedIn(content)) return { do: 'keep' };
      deadLetters += 1;
      return { do: options.dryRun ? 'keep' : 'drop' };
    },
  });
  return { ...(await erasePerson(db, wanted, options)), deadLetters };
}
