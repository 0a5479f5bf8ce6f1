'use strict';
/**
 * A lock between processes on one machine: a file that contains its owner's pid.
 *
 * Plain CommonJS without dependencies, because tools/run.mjs needs it before anything is installed.
 * The file is written elsewhere and linked into place, so that a lock always contains a pid. A lock whose owner has died
 * (kill -9 leaves it behind) is renamed and then checked again: only one of several waiters can rename it, and if it
 * already belonged to a new, living owner, it is put back.
 */
const fs = require('node:fs');
const { setTimeout: pause } = require('node:timers/promises');

/** Polls, because watchers miss deletions on some file systems. */
const POLL_MS = 100;

async function withLock(file, onWait, work) {
  let reported = false;
  while (!take(file)) {
    const owner = ownerOf(file);
    if (owner !== undefined && !isAlive(owner)) {
      breakLock(file);
      continue;
    }
    if (!reported && owner !== undefined) {
      onWait(owner);
      reported = true;
    }
    await pause(POLL_MS);
  }
  try {
    return await work();
  } finally {
    fs.rmSync(file, { force: true });
  }
}

function take(file) {
  const own = `${file}.${process.pid}`;
  fs.writeFileSync(own, String(process.pid));
  try {
    fs.linkSync(own, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    fs.rmSync(own, { force: true });
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
  const stale = `${file}.${process.pid}.stale`;
  try {
    fs.renameSync(file, stale);
    if (isAlive(ownerOf(stale))) fs.linkSync(stale, file);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    fs.rmSync(stale, { force: true });
  }
}

module.exports = { withLock };
