import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GenericContainer, StartedTestContainer } from 'testcontainers';
import { containerEngine, hasRyuk, needImage } from './docker-engine';
import { type Kept, keep } from './keep';
import { MAX_CONNECTIONS, NOT_DURABLE } from './run-postgres';
import type { Context, Service } from './types';

const RABBITMQ_IMAGE = 'rabbitmq:4.0-management';
const POSTGRES_IMAGE = 'postgres:17';
const USER = 'onecontact';
const START_MS = 120_000;

export async function dockerBroker(context: Context): Promise<Service> {
  await containerEngine();
  await needImage(RABBITMQ_IMAGE, context);
  const { RabbitMQContainer } = await import('@testcontainers/rabbitmq');
  const password = randomBytes(16).toString('hex');
  const container = new RabbitMQContainer(RABBITMQ_IMAGE)
    .withEnvironment({ RABBITMQ_DEFAULT_USER: USER, RABBITMQ_DEFAULT_PASS: password })
    .withStartupTimeout(START_MS);
  const { started, stop } = await start(container, context);
  const url = `amqp://${USER}:${password}@${started.getHost()}:${started.getMappedPort(5672)}`;
  return { url, version: `RabbitMQ (${RABBITMQ_IMAGE})`, stop };
}

export async function dockerDatabase(context: Context): Promise<Service> {
  await containerEngine();
  await needImage(POSTGRES_IMAGE, context);
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  const settings = [MAX_CONNECTIONS, ...(context.durable ? [] : NOT_DURABLE), ...(context.settings ?? [])];
  const password = randomBytes(16).toString('hex');
  const container = new PostgreSqlContainer(POSTGRES_IMAGE)
    .withUsername(USER)
    .withPassword(password)
    .withDatabase('postgres')
    .withCommand(['postgres', ...settings.flatMap((setting) => ['-c', setting])])
    .withStartupTimeout(START_MS);
  const { started, stop } = await start(container, context);
  const url = `postgresql://${USER}:${password}@${started.getHost()}:${started.getMappedPort(5432)}/postgres`;
  return { url, version: `PostgreSQL (${POSTGRES_IMAGE})`, stop };
}

/** Starts a container that goes when this process does. */
async function start(
  container: GenericContainer,
  context: Context,
): Promise<{ started: StartedTestContainer; stop: () => Promise<void> }> {
  const name = `onecontact-${randomBytes(6).toString('hex')}`;
  // Before the container: so there is no moment at which it exists and nobody would remove it.
  const remover = (await hasRyuk(context)) ? undefined : await removerOf(name);
  try {
    const started = await container.withName(name).start();
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

/** A supervisor without a server of its own, which removes the container when this process ends. */
function removerOf(name: string): Promise<Kept> {
  return keep({
    folder: join(tmpdir(), name),
    directories: [],
    files: [],
    copies: [],
    steps: [],
    last: { command: 'docker', args: ['rm', '--force', '--volumes', name], env: process.env },
  });
}
