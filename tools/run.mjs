/**
 * Makes this checkout ready, then runs a task: `node tools/run.mjs TASK [ARGUMENT ...]`.
 *
 *   test [JEST ARGUMENT ...]          the tests
 *   infra [--rabbitmq VERSION] [...]  the tests that start, kill and promote servers of their own
 *   onecontact COMMAND [...]          the command line, from its sources
 *   script FILE.ts [ARGUMENT ...]     any other TypeScript file
 *   ready                             no task
 *
 * So `npm test` or `npm run demo` works right after a clone. Making ready (dependencies, the generated Prisma client)
 * takes milliseconds when there is nothing to do, and writes only to stderr. The task runs in this process, so signals
 * and the exit code need no forwarding.
 *
 * Plain JavaScript without dependencies, because it runs before any are installed.
 */
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** As in package.json's `engines`. */
const OLDEST_NODE = [20, 19];

const checkout = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

const tasks = {
  test: async (args) => {
    process.chdir(checkout); // Jest takes the current folder for its project
    if (process.env.NODE_ENV === undefined) process.env.NODE_ENV = 'test';
    await require('jest').run(args);
  },
  infra: async (args) => {
    const at = args.indexOf('--rabbitmq'); // Jest refuses options that it does not know
    if (at >= 0) process.env.ONECONTACT_RABBITMQ = args.splice(at, 2)[1];
    process.env.ONECONTACT_SERVICES ??= 'local,fetch'; // a container cannot be told what these tests tell their servers
    await tasks.test(['--config', 'test/infra/jest.config.js', ...args]);
  },
  onecontact: async (args) => runTypeScript(resolve(checkout, 'src/cli/main.ts'), 'onecontact', args),
  script: async ([file, ...args]) => {
    if (!file) throw new Error('script: which file?');
    runTypeScript(resolve(file), file, args);
  },
  ready: async () => undefined,
};

function runTypeScript(file, name, args) {
  process.argv = [process.execPath, name, ...args];
  require('tsx/cjs/api').register();
  require(file);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]))
    throw new Error(`OneContact needs Node.js ${OLDEST_NODE.join('.')} or later; this is ${process.versions.node}`);
}

/** Resolves with the task once the checkout is ready. */
async function prepare([name, ...args]) {
  checkNode();
  if (!Object.keys(tasks).includes(name))
    throw new Error(`usage: node tools/run.mjs ${Object.keys(tasks).join('|')} [ARGUMENT ...]`);
  // Imported late, so that an old Node reaches the check above.
  const { makeReady } = await import('./bootstrap/ready.mjs');
  await makeReady(checkout);
  return () => tasks[name](args);
}

prepare(process.argv.slice(2)).then(
  (task) => task(),
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
);
