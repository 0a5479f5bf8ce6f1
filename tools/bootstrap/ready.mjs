import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientIsCurrent, generateClient } from './client.mjs';
import { dependenciesAreCurrent, installDependencies } from './dependencies.mjs';
import lock from './lock.cjs';

/** Installs and generates what is missing or out of date in this checkout; does nothing, and says nothing, else. */
export async function makeReady(checkout) {
  if (isReady(checkout)) return;
  const waiting = (pid) => say(`waiting for process ${pid}, which is making this checkout ready ...`);
  await lock.withLock(lockFile(checkout), waiting, async () => {
    // Looked at again, because another run may have done it while this one waited.
    if (!dependenciesAreCurrent(checkout)) await timed('npm ci', 'installing', () => installDependencies(checkout));
    if (!clientIsCurrent(checkout)) await timed('prisma generate', 'generating', () => generateClient(checkout));
  });
}

const isReady = (checkout) => dependenciesAreCurrent(checkout) && clientIsCurrent(checkout);

/** Not in the checkout, where it would show up as a new file; one for each user, who cannot remove another's. */
function lockFile(checkout) {
  const key = createHash('sha256').update(checkout).digest('hex').slice(0, 16);
  return join(tmpdir(), `onecontact-ready-${process.getuid?.() ?? 0}-${key}.lock`);
}

async function timed(command, doing, work) {
  const begin = performance.now();
  say(`${doing} (${command}) ...`);
  await work();
  say(`${command} took ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
