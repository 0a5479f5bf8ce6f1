import type { ContainerRuntimeClient } from 'testcontainers';
import { type Context, Unavailable } from './types';

/** An engine on this machine answers at once; a DOCKER_HOST that leads nowhere would be waited for much longer. */
const ENGINE_ANSWER_MS = 3_000;
/** A registry that sends nothing for so long is not reached: another source is tried. */
const PULL_SILENCE_MS = 20_000;

let engine: Promise<ContainerRuntimeClient> | undefined;
let cleanUp: Promise<boolean> | undefined;

/** The container engine, looked for once. Testcontainers is loaded only here: it takes a third of a second. */
export function containerEngine(): Promise<ContainerRuntimeClient> {
  engine ??= findEngine();
  return engine;
}

async function findEngine(): Promise<ContainerRuntimeClient> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), ENGINE_ANSWER_MS);
  });
  try {
    return await Promise.race([getContainerRuntimeClient(), late]);
  } catch {
    throw new Unavailable('no container engine answers');
  } finally {
    clearTimeout(timer);
  }
}

/** Makes sure that the engine has the image, which may mean pulling it. */
export async function needImage(image: string, { log }: Context): Promise<void> {
  const { container } = await containerEngine();
  const known = await container.dockerode.listImages({ filters: { reference: [image] } });
  if (known.length > 0) return;
  log(`Docker: pulling ${image} (once) ...`);
  try {
    await pull(container.dockerode, image);
  } catch (error) {
    throw new Error(`the image ${image} is not here and cannot be pulled: ${(error as Error).message}`);
  }
}

async function pull(dockerode: ContainerRuntimeClient['container']['dockerode'], image: string): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(
    () => silence.abort(new Error(`nothing came for ${PULL_SILENCE_MS / 1000} s`)),
    PULL_SILENCE_MS,
  );
  try {
    const stream = await dockerode.pull(image, { abortSignal: silence.signal });
    await new Promise<void>((resolve, reject) => {
      silence.signal.addEventListener('abort', () => reject(silence.signal.reason));
      const finished = (error: Error | null): void => (error ? reject(error) : resolve());
      dockerode.modem.followProgress(stream, finished, () => timer.refresh());
    });
  } catch (error) {
    throw silence.signal.aborted ? silence.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Whether Testcontainers' own helper (Ryuk, a container that removes the others once this process is gone) can be used.
 * Where it cannot be had, or does not start, it is switched off: else nothing would start.
 */
export function hasRyuk(context: Context): Promise<boolean> {
  cleanUp ??= (async () => {
    if (process.env.TESTCONTAINERS_RYUK_DISABLED === 'true') return false;
    const { getReaper } = await import('testcontainers');
    const { REAPER_IMAGE } = await import('testcontainers/build/reaper/reaper.js');
    try {
      await needImage(REAPER_IMAGE, context);
      await getReaper(await containerEngine()); // here and now: two containers started at once would each bring one
      return true;
    } catch (error) {
      context.log(`Docker: ${(error as Error).message}; containers are removed by a process of ours instead`);
      process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
      return false;
    }
  })();
  return cleanUp;
}
