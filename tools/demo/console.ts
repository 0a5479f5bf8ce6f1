/** Leaves a console open on what the scenes have stored. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { startService } from '../../src/main';
import { faulty } from './messages';
import type { Report } from './report';
import type { Stage } from './stage';

export interface OpenConsole {
  url: string;
  /** To sign in with. */
  key: string;
  close(): Promise<void>;
}

/** @param settings of the service, as the environment has them */
export async function openConsole(settings: NodeJS.ProcessEnv, log: Logger): Promise<OpenConsole> {
  const key = randomBytes(12).toString('base64url');
  const folder = await mkdtemp(join(tmpdir(), 'onecontact-demo-'));
  const remove = () => rm(folder, { recursive: true });
  try {
    const file = join(folder, 'api-keys');
    await writeFile(file, `demo operate ${key}\n`, { mode: 0o600 });
    const config = readConfig({ ...settings, CONSOLE_PORT: '0', API_KEYS_FILE: file }, SERVICE_NEEDS);
    const service = await startService(config, { only: ['console'], log });
    return {
      url: service.consoleUrl ?? '',
      key,
      async close() {
        await service.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Resolves when the signal is aborted. */
export async function useConsole(
  { url, key }: OpenConsole,
  { report, stage, signal }: { report: Report; stage: Stage; signal: AbortSignal },
): Promise<void> {
  report.heading('The console is open on this data');
  report.say('');
  for (const message of faulty()) {
    await stage.send(message);
    report.event(message);
  }
  report.say('   These two cannot be understood: see Dead letters.\n');
  report.say(`   Open     ${url}`);
  report.say(`   API key  ${key}`);
  report.say('   Find     cleo@mail.test, for example');
  report.say('\n   Ctrl-C closes it, and removes everything.');
  report.shown();
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
