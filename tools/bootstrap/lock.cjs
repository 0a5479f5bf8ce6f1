'use strict';
/**
 * A lock between processes of this machine: a file that holds its owner's pid.
 *
 * Plain CommonJS without dependencies, because tools/run.mjs needs it before anything is installed.
 * The file is written elsewhere and linked into place, so that nobody ever sees a lock without a pid. A lock whose
 * owner is gone (a kill -9 leaves it behind) is moved aside first and looked at again: only one of several waiters can
 * move it, and one that had already been replaced by a living owner's is put back.
 */
const fs = require('node:fs');
const { setTimeout: pause } = require('node:timers/promises');

/** Nothing tells a process that a file has gone (watchers miss it on some file systems): look this often. */
const LOOK_AGAIN_MS = 100;

/** Runs `work` while no other process holds `file`. `onWait(pid)` is called once when another one does. */
async function withLock(file, onWait, work) {
  let told = false;
  while (!take(file)) {
    const owner = ownerOf(file);
    if (owner !== undefined && !isAlive(owner)) {
      breakLock(file);
      continue;
    }
    if (!told && owner !== undefined) {
      onWait(owner);
      told = true;
    }
    await pause(LOOK_AGAIN_MS);
  }
  try {
    return await work();
  } finally {
    fs.rmSync(file, { force: true });
  }
}

function take(file) {
  const draft = `${file}.${process.pid}`;
  fs.writeFileSync(draft, String(process.pid));
  try {
    fs.linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function ownerOf(file) {
  try {
    return Number(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function breakLock(file) {
  const aside = `${file}.${process.pid}.stale`;
  try {
    fs.renameSync(file, aside);
    if (isAlive(ownerOf(aside))) fs.linkSync(aside, file);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

module.exports = { withLock };
