import { OperatorError } from '../operator-error';
import type { Database } from './database';
import { schemaState } from './migrate';
import { whyUnusable } from './unusable';

/** Refuses to go on with a database that does not have exactly the schema of this version. */
export async function requireSchema(db: Database): Promise<void> {
  const state = await schemaState(db).catch((error: unknown) => {
    throw new OperatorError(whyUnusable(error));
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
