/** RabbitMQ and PostgreSQL in containers that end when this process does. */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerRuntimeClient, GenericContainer, StartedTestContainer } from 'testcontainers';
import { withProgress } from '../bootstrap/progress.cjs';
import { keep } from './keep';
import { MAX_CONNECTIONS, NOT_DURABLE } from './postgres';
import { type PullEvent, PullProgress } from './pull-progress';
import { type Context, type Service, Unavailable } from './types';

const POSTGRES_IMAGE = 'postgres:17';
const USER = 'onecontact';
const START_MS = 120_000;
/** A local engine answers at once; without a limit, a DOCKER_HOST that leads nowhere takes minutes to fail. */
const ENGINE_ANSWER_MS = 3_000;
/** After this long without data from the registry, the next source is tried. */
const PULL_SILENCE_MS = 20_000;

export async function dockerBroker(context: Context): Promise<Service> {
  const image = `rabbitmq:${context.env.ONECONTACT_RABBITMQ || '4.0'}-management`;
  await needImage(image, context);
  const { RabbitMQContainer } = await import('@testcontainers/rabbitmq');
  const password = randomBytes(16).toString('hex');
  const container = new RabbitMQContainer(image).withEnvironment({
    RABBITMQ_DEFAULT_USER: USER,
    RABBITMQ_DEFAULT_PASS: password,
  });
  const { started, stop } = await start(container, context);
  const url = `amqp://${USER}:${password}@${started.getHost()}:${started.getMappedPort(5672)}`;
  return { url, version: `RabbitMQ (${image})`, stop };
}

export async function dockerDatabase(context: Context): Promise<Service> {
  await needImage(POSTGRES_IMAGE, context);
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  const settings = [MAX_CONNECTIONS, ...(context.durable ? [] : NOT_DURABLE), ...(context.settings ?? [])];
  const password = randomBytes(16).toString('hex');
  const container = new PostgreSqlContainer(POSTGRES_IMAGE)
    .withUsername(USER)
    .withPassword(password)
    .withDatabase('postgres')
    .withCommand(['postgres', ...settings.flatMap((setting) => ['-c', setting])]);
  const { started, stop } = await start(container, context);
  const url = `postgresql://${USER}:${password}@${started.getHost()}:${started.getMappedPort(5432)}/postgres`;
  return { url, version: `PostgreSQL (${POSTGRES_IMAGE})`, stop };
}

async function start(
  container: GenericContainer,
  context: Context,
): Promise<{ started: StartedTestContainer; stop: () => Promise<void> }> {
  const name = `onecontact-${randomBytes(6).toString('hex')}`;
  // Before the container, so that at no moment it exists without a process that removes it.
  const remover = (await hasRyuk(context))
    ? undefined
    : await keep({
        folder: join(tmpdir(), name),
        steps: [],
        last: { command: 'docker', args: ['rm', '--force', '--volumes', name], env: process.env },
      });
  try {
    const started = await container.withStartupTimeout(START_MS).withName(name).start();
    return {
      started,
      stop: async () => {
        await started.stop({ timeout: 0, remove: true, removeVolumes: true });
        await remover?.stop();
      },
    };
  } catch (error) {
    await remover?.stop();
    throw error;
  }
}

let engine: Promise<ContainerRuntimeClient> | undefined;
let ryuk: Promise<boolean> | undefined;

/** The container engine, looked for once. */
function containerEngine(): Promise<ContainerRuntimeClient> {
  engine ??= findEngine();
  return engine;
}

/** Loads Testcontainers only when needed: that takes a third of a second. */
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

/** Pulls the image unless the engine has it. @throws Unavailable if no engine answers */
async function needImage(image: string, { log }: Context): Promise<void> {
  const { container } = await containerEngine();
  const known = await container.dockerode.listImages({ filters: { reference: [image] } });
  if (known.length > 0) return;
  log(`Docker: pulling ${image} (once) …`);
  const progress = new PullProgress();
  try {
    await withProgress(
      () => `Docker: ${image}, ${progress}`,
      () => pull(container.dockerode, image, progress),
    );
  } catch (error) {
    throw new Error(`the image ${image} is missing and cannot be pulled: ${(error as Error).message}`);
  }
}

async function pull(
  dockerode: ContainerRuntimeClient['container']['dockerode'],
  image: string,
  progress: PullProgress,
): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error(`no data for ${PULL_SILENCE_MS / 1000} s`)), PULL_SILENCE_MS);
  try {
    const stream = await dockerode.pull(image, { abortSignal: silence.signal });
    await new Promise<void>((resolve, reject) => {
      silence.signal.addEventListener('abort', () => reject(silence.signal.reason));
      const finished = (error: Error | null): void => (error ? reject(error) : resolve());
      dockerode.modem.followProgress(stream, finished, (event: PullEvent) => {
        timer.refresh();
        progress.add(event);
      });
    });
  } catch (error) {
    throw silence.signal.aborted ? silence.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Whether Ryuk works, the container of Testcontainers that removes the others once this process has ended. If it cannot
 * be pulled or does not start, it is switched off: otherwise no container would start.
 */
function hasRyuk(context: Context): Promise<boolean> {
  ryuk ??= (async () => {
    if (process.env.TESTCONTAINERS_RYUK_DISABLED === 'true') return false;
    const { getReaper } = await import('testcontainers');
    const { REAPER_IMAGE } = await import('testcontainers/build/reaper/reaper.js');
    try {
      await needImage(REAPER_IMAGE, context);
      await getReaper(await containerEngine()); // now: two containers started at once would each bring one
      return true;
    } catch (error) {
      context.log(`Docker: ${(error as Error).message}; containers are removed by a process of ours instead`);
      process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
      return false;
    }
  })();
  return ryuk;
}
