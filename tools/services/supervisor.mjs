/**
 * Supervises one server and its folder for a parent process, and removes both when that parent ends, in whatever way.
 *
 * The parent holds the other end of stdin. The kernel closes it when the parent exits, crashes or is killed with SIGKILL:
 * this is the only stop signal that cannot be lost. The supervisor has its own session, so that Ctrl-C or a closed
 * terminal reaches only the parent. The supervisor and not the parent creates the folder, so that at no moment it exists
 * without a process that removes it.
 *
 * stdin: the job (`Job` in keep.ts) as one line of JSON. stdout: the outcome (`Outcome`) as one line of JSON.
 */
import { spawn } from 'node:child_process';
import { chown, cp, mkdir, rm, writeFile } from 'node:fs/promises';

/** A process that takes longer to end is killed. */
const GRACE_MS = 10_000;
/** Enough of a server's output for its version at the start, or for an error at the end. */
const OUTPUT_LIMIT = 64_000;

const running = [];
let job;
let setUp = Promise.resolve();
let stopping;

let input = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  input += text;
  if (job || !input.includes('\n')) return;
  job = JSON.parse(input);
  setUp = start();
});
for (const event of ['end', 'close', 'error']) process.stdin.on(event, () => void stop());
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => void stop());
process.stdout.on('error', () => undefined); // the parent may have ended

async function start() {
  try {
    await prepare();
    let output = '';
    for (const step of job.steps) output = await runStep(step);
    report({ ok: true, output, pid: running.at(-1)?.child.pid });
  } catch (error) {
    report({ ok: false, error: error.message, output: error.output ?? '' });
    void stop();
  }
}

function report(outcome) {
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

async function prepare() {
  await make(job.folder, (path) => mkdir(path, { mode: 0o700 }));
  for (const path of job.directories ?? []) await make(path, (p) => mkdir(p, { mode: 0o700 }));
  for (const file of job.files ?? [])
    await make(file.path, (p) => writeFile(p, file.content, { mode: file.mode ?? 0o600 }));
  // Copies keep this process as their owner: the server only reads them.
  for (const { from, to } of job.copies ?? []) await cp(from, to, { recursive: true, verbatimSymlinks: true });
}

async function make(path, create) {
  await create(path);
  if (job.owner) await chown(path, job.owner.uid, job.owner.gid);
}

/** Resolves with the step's output once that contains `until`, or, without `until`, once the step exits with 0. */
function runStep(step) {
  if (stopping) throw new Error('stopped');
  return new Promise((resolve, reject) => {
    let output = '';
    let ready = false;
    const child = spawn(step.command, step.args, {
      cwd: job.folder,
      env: step.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // its own process group, which can be killed as a whole
      ...(job.owner ?? {}),
    });
    const done = () => {
      ready = true;
      clearTimeout(timer);
      resolve(output);
    };
    const fail = (why) => {
      clearTimeout(timer);
      reject(Object.assign(new Error(`${step.command} ${why}`), { output }));
    };
    const timer = setTimeout(() => fail(`was not ready after ${step.timeoutMs / 1000} s`), step.timeoutMs);
    const read = (text) => {
      // Afterwards the output is read only because a full pipe would block the server.
      if (ready) return;
      output = (output + text).slice(-OUTPUT_LIMIT);
      if (step.until && output.includes(step.until)) done();
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    child.once('error', (error) => fail(`cannot be run: ${error.message}`));
    child.once('close', (code, signal) => {
      if (!step.until && code === 0) done();
      else fail(`ended with ${signal ?? `exit code ${code}`}`);
    });
    running.push({ child, signal: step.signal });
  });
}

function stop() {
  stopping ??= (async () => {
    // Twice: a step may start its process after the first pass.
    await endAll();
    await setUp;
    await endAll();
    if (job?.last) await exited(spawn(job.last.command, job.last.args, { env: job.last.env, stdio: 'ignore' }));
    if (job) await rm(job.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    process.exit(0);
  })();
  return stopping;
}

async function endAll() {
  for (const { child, signal } of running.splice(0).reverse()) {
    const hasEnded = child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
    if (hasEnded) continue; // another process may have its id by now
    const end = exited(child);
    // SIGKILL goes to the whole group: a killed process cannot end its children.
    if (signal) kill(signal === 'SIGKILL' ? -child.pid : child.pid, signal);
    const timer = setTimeout(() => kill(-child.pid, 'SIGKILL'), GRACE_MS);
    await end;
    clearTimeout(timer);
  }
}

/** Resolves when a process has ended, or could not be started. */
function exited(child) {
  return new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
}

function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
