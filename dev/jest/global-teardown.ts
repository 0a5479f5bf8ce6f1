import { dropTemplate } from '../../test/helpers/database';
import { forget } from './started';

/** Takes away what the run made on the user's servers, and stops what global-setup.ts started. */
export default async function globalTeardown(): Promise<void> {
  const run = forget();
  if (!run) return;
  await dropTemplate();
  for (const variable of run.ours) delete process.env[variable];
  await run.services.stop();
}
