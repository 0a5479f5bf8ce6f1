import type { Database } from '../../postgres/database';
import { browseQueue, lockQueue } from '../../rabbitmq/browse-queue';
import { DEAD_LETTERS } from '../../rabbitmq/names';
import { toTail } from '../../rabbitmq/publishing/dead-letter';
import { mentionsOf, type Names } from '../mentions';
import type { Broker } from '../servers';
import { type Erased, type EraseOptions, erasePerson } from './run';
import { UnknownContactError, type Wanted } from './store';

/**
 * Drops the dead letters that name a person, then erases the person. The order lets an interrupted command be run again: only
 * the database knows all names of the person.
 *
 * @returns also how many dead letters were dropped; in a dry run, how many would be
 */
export async function eraseWithDeadLetters(
  db: Database,
  broker: Broker,
  wanted: Wanted,
  options: EraseOptions,
): Promise<Erased & { deadLetters: number }> {
  await lockQueue(broker.connection, DEAD_LETTERS);
  const deadLetters = await dropDeadLettersOf(db, broker, [wanted], options);
  return { ...(await erasePerson(db, wanted, options)), deadLetters };
}

/**
 * Call it only while the queue is locked.
 *
 * @returns how many dead letters of these people were dropped; in a dry run, how many would be
 */
export async function dropDeadLettersOf(
  db: Database,
  { connection, publisher }: Broker,
  people: readonly Wanted[],
  options: EraseOptions,
): Promise<number> {
  const names = { addresses: [] as string[], uids: [] as string[], tokens: [] as string[] };
  for (const wanted of people) {
    const { addresses, uids = [], tokens = [] } = await namesOf(db, wanted, options);
    names.addresses.push(...addresses);
    names.uids.push(...uids);
    names.tokens.push(...tokens);
  }
  const isNamedIn = mentionsOf(names);
  let deadLetters = 0;
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
  return deadLetters;
}

/** Returns no names for an unknown id: erasing it fails, and says so. */
async function namesOf(db: Database, wanted: Wanted, options: EraseOptions): Promise<Names> {
  try {
    return (await erasePerson(db, wanted, { ...options, dryRun: true })).names;
  } catch (error) {
    if (error instanceof UnknownContactError) return { addresses: [] };
    throw error;
  }
}
