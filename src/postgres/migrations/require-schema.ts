import { OperatorError } from '../../foundation/operator-error';
import type { Database } from '../database';
import { connectionProblem } from '../errors';
import { schemaState } from './migrate';

/** @throws OperatorError unless the database has exactly the schema of this version. */
export async function requireSchema(db: Database): Promise<void> {
  const state = await schemaState(db).catch((error: unknown) => {
    throw new OperatorError(connectionProblem(error));
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
