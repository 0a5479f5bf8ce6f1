import { forget } from './started';

/** Stops what global-setup.ts started. */
export default async function globalTeardown(): Promise<void> {
  const run = forget();
  for (const variable of run?.ours ?? []) delete process.env[variable];
  await run?.services.stop();
}
