import { OperatorError } from '../operator-error';
import type { Database } from './database';
import { failureOf } from './failure';
import { schemaState } from './migrate';

/** Refuses to go on with a database that does not have exactly the schema of this version. */
export async function requireSchema(db: Database): Promise<void> {
  const state = await schemaState(db).catch((error: unknown) => {
    const { code } = failureOf(error);
    throw new OperatorError(
      `The database cannot be used (${code}): check DATABASE_URL, and that the server is up and lets this user in.`,
    );
  });
  if (state.is === 'behind') {
    const count = state.missing.length;
    throw new OperatorError(
      `The database is ${count} migration${count === 1 ? '' : 's'} behind this version: run \`onecontact migrate\` (or start with --migrate).`,
    );
  }
  if (state.is === 'ahead') {
    throw new OperatorError(
      `The database has migrations that this version does not know (${state.unknown.join(', ')}): start the version that made them, or a newer one.`,
    );
  }
}
