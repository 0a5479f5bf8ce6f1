import { OperatorError } from '../../foundation/operator-error';
import type { Database } from '../database';
import { schemaState } from './migrate';

/** @throws OperatorError unless the database has exactly the schema of this version; errors of the database as they are. */
export async function requireSchema(db: Database): Promise<void> {
  const state = await schemaState(db);
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
