'use strict';
/** npm as a program. Plain CommonJS without dependencies, because tools/run.mjs needs it before anything is installed. */
const { basename } = require('node:path');

const UNREACHABLE =
  /\b(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|ENOTCACHED)\b/;

/** The program and its first arguments. Prefers the npm that runs this process: PATH may have none, or another one. */
function npmCommand() {
  const npm = process.env.npm_execpath;
  const isNpm = npm && basename(npm) === 'npm-cli.js'; // other package managers set npm_execpath too
  return isNpm ? [process.execPath, npm] : ['npm'];
}

/** Retries soon, so that an unreachable registry is reported in seconds. */
const RETRY_SOON = { npm_config_fetch_retry_mintimeout: '1000', npm_config_fetch_retry_maxtimeout: '5000' };

/** The sentence for npm's output if the registry was not reached, else undefined. */
function registryProblem(output) {
  const code = UNREACHABLE.exec(output)?.[1];
  if (!code) return undefined;
  return `the npm registry cannot be reached (${code}). Check the network, and npm's settings registry and proxy (npm config list)`;
}

module.exports = { npmCommand, registryProblem, RETRY_SOON };
