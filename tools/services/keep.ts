import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Owner {
  uid: number;
  gid: number;
}

/** One process of a server: a preparation that runs to its end, or (with `until`) one that stays. */
export interface Step {
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  /** The text by which it says that it is ready. */
  until?: string;
  timeoutMs: number;
  /** The signal that ends it at once, and leaves nothing behind. None: it is soon over by itself. */
  signal?: NodeJS.Signals;
}

export interface Job {
  /** A new folder for all that the server writes. It goes when the server does. */
  folder: string;
  /** Whose the folder and the processes are, where that is not the user who runs this. */
  owner?: Owner;
  directories: string[];
  files: { path: string; content: string; mode?: number }[];
  copies: { from: string; to: string }[];
  /** In this order; ended in the reverse order. */
  steps: Step[];
  /** Run at the very end, whatever has happened. */
  last?: Pick<Step, 'command' | 'args' | 'env'>;
}

export interface Kept {
  /** What the last step wrote until it was ready. */
  output: string;
  /** The last step's process, while it runs. */
  pid: number | undefined;
  stop(): Promise<void>;
}

interface Outcome {
  ok: boolean;
  output: string;
  pid?: number;
  error?: string;
}

/** How much of a server's log goes into an error. */
const TAIL_LINES = 25;

/** Starts a server that cannot outlive this process: see supervisor.mjs. */
export async function keep(job: Job): Promise<Kept> {
  const { NODE_OPTIONS: _unwanted, ...env } = process.env; // --inspect and the like are not meant for the supervisor
  const supervisor = spawn(process.execPath, [join(__dirname, 'supervisor.mjs')], {
    cwd: '/',
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  supervisor.stdin.on('error', () => undefined); // a supervisor that is gone is noticed by its missing outcome
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

/** A process that has nothing else left to do may end without having stopped its servers: the supervisor sees to them. */
function letGo(supervisor: ChildProcess): void {
  supervisor.unref();
  for (const stream of [supervisor.stdin, supervisor.stdout]) if (stream instanceof Socket) stream.unref();
}
