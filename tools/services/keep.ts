import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Certificate } from './types';

export interface Owner {
  uid: number;
  gid: number;
}

/** A process of a server: a preparation that runs to its end, or (with `until`) one that keeps running. */
export interface Step {
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  /** The output that says that the process is ready. */
  until?: string;
  timeoutMs: number;
  /** The signal that ends the process at once and leaves nothing behind; absent for one that soon ends by itself. */
  signal?: NodeJS.Signals;
}

export interface Job {
  /** A new folder for everything the server writes, removed when the server has ended. */
  folder: string;
  /** The owner of the folder and the processes, if not the user of this process. */
  owner?: Owner;
  directories?: string[];
  files?: { path: string; content: string; mode?: number }[];
  copies?: { from: string; to: string }[];
  /** Started in this order and ended in the reverse order. */
  steps: Step[];
  /** Run at the very end, also after a failure. */
  last?: Pick<Step, 'command' | 'args' | 'env'>;
}

export interface Kept {
  /** The output of the last step until it was ready. */
  output: string;
  /** The process of the last step, while it runs. */
  pid: number | undefined;
  stop(): Promise<void>;
}

interface Outcome {
  ok: boolean;
  output: string;
  pid?: number;
  error?: string;
}

/** Lines of a server's log that go into an error. */
const TAIL_LINES = 25;

/** Starts a server that cannot outlive this process: see supervisor.mjs. */
export async function keep(job: Job): Promise<Kept> {
  const { NODE_OPTIONS: _unwanted, ...env } = process.env; // --inspect and the like are for this process only
  const supervisor = spawn(process.execPath, [join(__dirname, 'supervisor.mjs')], {
    cwd: '/',
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  supervisor.stdin.on('error', () => undefined); // a supervisor that has ended shows in its missing outcome
  supervisor.stdin.write(`${JSON.stringify(job)}\n`);

  const outcome = await outcomeOf(supervisor);
  if (!outcome.ok) {
    await ended(supervisor);
    const tail = outcome.output.trim().split('\n').slice(-TAIL_LINES).join('\n');
    throw new Error(`${outcome.error}${tail && `. The end of its log:\n${tail}`}`);
  }
  letGo(supervisor);
  return {
    output: outcome.output,
    pid: outcome.pid,
    stop: async () => {
      supervisor.ref();
      supervisor.stdin.end();
      await ended(supervisor);
    },
  };
}

async function outcomeOf(supervisor: ChildProcess): Promise<Outcome> {
  for await (const line of createInterface({ input: supervisor.stdout! })) return JSON.parse(line) as Outcome;
  return { ok: false, error: 'the process that keeps the server ended before it was up', output: '' };
}

async function ended(supervisor: ChildProcess): Promise<void> {
  if (supervisor.exitCode === null && supervisor.signalCode === null) await once(supervisor, 'exit');
}

/** Lets this process end while its servers still run: the supervisor then ends them. */
function letGo(supervisor: ChildProcess): void {
  supervisor.unref();
  for (const stream of [supervisor.stdin, supervisor.stdout]) if (stream instanceof Socket) stream.unref();
}

/** The files that a server with TLS reads, in its folder. */
export const certificateFiles = (folder: string, tls: Certificate | undefined): NonNullable<Job['files']> =>
  tls
    ? [
        { path: join(folder, 'server.pem'), content: tls.certificate },
        { path: join(folder, 'server.key'), content: tls.key },
      ]
    : [];

/** Starts something on free ports of the loopback, and once more on others if another process took one meanwhile. */
export async function onFreePorts<T>(count: number, start: (ports: number[]) => Promise<T>): Promise<T> {
  try {
    return await start(await freePorts(count));
  } catch (error) {
    if (!(error instanceof Error && /eaddrinuse|address (is )?already in use/i.test(error.message))) throw error;
    return start(await freePorts(count));
  }
}

/** Holds all ports until the last is found, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
