import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { OperatorError } from '../../src/foundation/operator-error';

/** A broker and a database that are the demo's for as long as it runs. */
export interface Services {
  amqpUrl: string;
  databaseUrl: string;
  /** `url`: the user's own, to be left as it was found; all others end with `stop`. */
  from: { broker: string; database: string };
  stop(): Promise<void>;
}

interface DevServices {
  startServices(options: { env: NodeJS.ProcessEnv; log: (line: string) => void }): Promise<Services>;
}

/** Only a checkout has it, as sources, and runs them as such: it is not part of the package. */
const FOLDER = resolve(__dirname, '../services');

/** Starts the servers, or takes the empty ones that TEST_AMQP_URL and TEST_DATABASE_URL name. */
export async function bringServices(env: NodeJS.ProcessEnv, log: (line: string) => void): Promise<Services> {
  if (!existsSync(FOLDER) || !__filename.endsWith('.ts')) {
    throw new OperatorError('The demo runs from a checkout of the sources: get one, and there run `npm run demo`.');
  }
  const { startServices } = require(FOLDER) as DevServices;
  try {
    return await startServices({ env, log });
  } catch (error) {
    throw new OperatorError((error as Error).message, { cause: error });
  }
}
