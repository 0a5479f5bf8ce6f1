import { type Browser, chromium } from 'playwright-core';
import type { Context } from '../services/types';
import { findChromium, SANDBOX_ARGS } from './fetch-chromium';

/** A Chromium that reaches no other machine, whatever a page asks for. */
export async function launchChromium(context: Context): Promise<Browser> {
  const { path, env } = await findChromium(context);
  return chromium.launch({
    executablePath: path,
    env: { ...process.env, ...env },
    args: [...SANDBOX_ARGS, '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  });
}
