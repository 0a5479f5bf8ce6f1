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

/** Starts a server that cannot outlive this process: see keeper.mjs. */
export async function keep(job: Job): Promise<Kept> {
  const { NODE_OPTIONS: _unwanted, ...env } = process.env; // --inspect and the like are not meant for the keeper
  const keeper = spawn(process.execPath, [join(__dirname, 'keeper.mjs')], {
    cwd: '/',
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  keeper.stdin.on('error', () => undefined); // a keeper that is gone is noticed by its missing outcome
  keeper.stdin.write(`${JSON.stringify(job)}\n`);

  const outcome = await outcomeOf(keeper);
  if (!outcome.ok) {
    await ended(keeper);
    const tail = outcome.output.trim().split('\n').slice(-TAIL_LINES).join('\n');
    throw new Error(`${outcome.error}${tail && `. The end of its log:\n${tail}`}`);
  }
  letGo(keeper);
  return {
    output: outcome.output,
    pid: outcome.pid,
    stop: async () => {
      keeper.ref();
      keeper.stdin.end();
      await ended(keeper);
    },
  };
}

async function outcomeOf(keeper: ChildProcess): Promise<Outcome> {
  for await (const line of createInterface({ input: keeper.stdout! })) return JSON.parse(line) as Outcome;
  return { ok: false, error: 'the process that keeps the server ended before it was up', output: '' };
}

async function ended(keeper: ChildProcess): Promise<void> {
  if (keeper.exitCode === null && keeper.signalCode === null) await once(keeper, 'exit');
}

/** A process that has nothing else left to do may end without having stopped its servers: the keeper sees to them. */
function letGo(keeper: ChildProcess): void {
  keeper.unref();
  for (const stream of [keeper.stdin, keeper.stdout]) if (stream instanceof Socket) stream.unref();
}
