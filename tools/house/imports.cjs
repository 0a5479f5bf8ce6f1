/**
 * The rules of the house: which room may import which, types included. `npm run lint` checks them with
 * dependency-cruiser; docs/architecture.md shows them as a picture.
 */

/** src/config.ts counts as foundation. It stands alone because it is the only reader of the environment. */
const FOUNDATION = ['foundation/', 'config\\.ts'];
const LOWER = ['contacts/', 'rabbitmq/', 'messages/', 'postgres/', 'observability/', ...FOUNDATION];

/** Each room of `src`, and what it may import besides itself. Rooms that are not listed may import all of `src`. */
const ROOMS = {
  'foundation/': [],
  'config\\.ts': ['foundation/'],
  'contacts/': [],
  'rabbitmq/': FOUNDATION,
  'messages/': ['contacts/', ...FOUNDATION],
  'postgres/': ['contacts/', ...FOUNDATION],
  'observability/': ['contacts/', ...FOUNDATION],
  'ingest/': LOWER,
  'relay/': LOWER,
  'client/': ['messages/'],
  'http/': LOWER,
  'compaction/': LOWER,
  // It adds endpoints to the server of `http/`, which does not know it.
  'intake/': [...LOWER, 'http/'],
  // It starts the parts of a process; main.ts puts them together.
  'service/': [...LOWER, 'ingest/', 'relay/', 'http/', 'intake/'],
  // Its pages call what the commands call.
  'console/': [...LOWER, 'http/', 'ingest/apply/transaction\\.ts', 'operations/', 'relay/outbox-health\\.ts'],
};

/** The rooms inside `contacts`: each may import itself and those above it in this list. */
const DOMAIN = ['facts/', 'identity/', 'profile/', 'merge/', '(decide|change-recorder)\\.ts'];

/** What every operation may import besides its own folder: compaction, the batch transaction, and what operations share. */
const SHARED = [...LOWER, 'compaction/', 'ingest/apply/transaction\\.ts', 'operations/[^/]+\\.ts'];

/** Prisma generates modules that import each other. */
const OWN = { pathNot: '^src/postgres/generated' };

const srcPaths = (allowed) => `^src/(${allowed.join('|')})`;

/** Modules in `room` import only what is `allowed` there. */
function importsOnly(room, allowed) {
  return {
    name: `${room.replaceAll('\\', '')} imports what it must not`,
    severity: 'error',
    from: { path: `^src/${room}` },
    to: { path: '^(src|tools|test)/', pathNot: srcPaths(allowed) },
  };
}

module.exports = {
  forbidden: [
    { name: 'cycle of modules', severity: 'error', from: OWN, to: { circular: true } },
    { name: 'cycle of folders', severity: 'error', scope: 'folder', from: OWN, to: { circular: true } },
    { name: 'src imports tooling', severity: 'error', from: { path: '^src/' }, to: { path: '^(tools|test)/' } },
    { name: 'tools import tests', severity: 'error', from: { path: '^tools/' }, to: { path: '^test/' } },
    ...Object.entries(ROOMS).map(([room, others]) => importsOnly(room, [room, ...others])),
    ...DOMAIN.map((room, index) =>
      importsOnly(
        `contacts/${room}`,
        DOMAIN.slice(0, index + 1).map((lower) => `contacts/${lower}`),
      ),
    ),
    importsOnly('operations/[^/]+\\.ts', SHARED),
    importsOnly('operations/([^/]+)/', [...SHARED, 'operations/$1/']),
    importsOnly('compaction/plan\\.ts', ['contacts/', ...FOUNDATION]),
    importsOnly('operations/([^/]+)/plan\\.ts', ['contacts/', ...FOUNDATION, 'operations/$1/']),
    {
      name: 'only a command may print',
      severity: 'error',
      from: { path: '^src/operations/[^/]+/', pathNot: 'command\\.ts$' },
      to: { path: '^src/operations/(context|progress)\\.ts' },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    exclude: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.cts', '.mts', '.js', '.cjs', '.mjs', '.json'] },
  },
};
