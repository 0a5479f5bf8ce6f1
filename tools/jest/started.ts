import type { Services } from '../services';

export const VARIABLES = ['TEST_AMQP_URL', 'TEST_DATABASE_URL'] as const;

interface TestRun {
  services: Services;
  /** The variables that the user had not set. */
  ours: (typeof VARIABLES)[number][];
}

/** Kept on the global object: Jest loads the setup and the teardown apart, so a variable of a module would not do. */
const KEY = Symbol.for('onecontact.testRun');
const kept = globalThis as { [KEY]?: TestRun };

export function remember(run: TestRun): void {
  kept[KEY] = run;
}

export function forget(): TestRun | undefined {
  const run = kept[KEY];
  delete kept[KEY];
  return run;
}
