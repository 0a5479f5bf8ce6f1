'use strict';
/**
 * The progress of work that takes a while, on stderr: on a terminal one line that is rewritten, else a line every few
 * seconds.
 *
 * Plain CommonJS without dependencies, because tools/run.mjs needs it before anything is installed.
 */
const { readdirSync, statSync } = require('node:fs');
const { join } = require('node:path');

const REWRITE_MS = 250;
const LINE_MS = 5_000;
const ERASE = '\r\x1b[K';

/** What is under way: functions that say how far each is. */
const tasks = new Set();
let timer;
let isShown = false;

const isTerminal = () => process.stderr.isTTY === true && process.env.TERM !== 'dumb';

/** Shows `state()` until the work has ended; nothing for work that ends soon. */
async function withProgress(state, work) {
  tasks.add(state);
  timer ??= setInterval(show, isTerminal() ? REWRITE_MS : LINE_MS);
  try {
    return await work();
  } finally {
    tasks.delete(state);
    clearProgress();
    if (tasks.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  }
}

function show() {
  const line = [...tasks].map((state) => state()).join(' | ');
  if (!isTerminal()) return void process.stderr.write(`  ${line}\n`);
  // A line that wraps could not be rewritten.
  process.stderr.write(`${ERASE}  ${line}`.slice(0, ERASE.length + (process.stderr.columns ?? 80) - 1));
  isShown = true;
}

/** To be called before anything else is written to the terminal. */
function clearProgress() {
  if (isShown) process.stderr.write(ERASE);
  isShown = false;
}

/** The bytes in a folder, at any depth; files may come and go meanwhile. */
function sizeOf(folder) {
  let size = 0;
  for (const name of attempt(() => readdirSync(folder, { recursive: true }), [])) {
    const stats = attempt(() => statSync(join(folder, name)), undefined);
    if (stats?.isFile()) size += stats.size;
  }
  return size;
}

function attempt(read, otherwise) {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

const megabytes = (bytes) => Math.round(bytes / 1e6);

/** `12 of 43 MB` */
const bytesOf = (done, total) => `${Math.min(megabytes(done), megabytes(total))} of ${megabytes(total)} MB`;

/** A function that says how long ago this was called: `12 s`. */
function stopwatch() {
  const begin = performance.now();
  return () => `${Math.round((performance.now() - begin) / 1000)} s`;
}

module.exports = { withProgress, clearProgress, sizeOf, bytesOf, stopwatch };
