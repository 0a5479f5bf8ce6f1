import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runQuietly } from './command.mjs';
import { hasStamp, stamp } from './stamp.mjs';

const SCHEMA = 'prisma/schema.prisma';
const CONFIG = 'prisma.config.ts';
const CLIENT = 'src/postgres/generated/prisma';
/** In the client's folder: it goes when that goes. */
const STAMP = join(CLIENT, '.onecontact-schema');

/** Whether the generated client is the one of this schema and this version of Prisma. */
export function clientIsCurrent(checkout) {
  return !existsSync(join(checkout, SCHEMA)) || hasStamp(checkout, STAMP, sources(checkout));
}

function sources(checkout) {
  const files = [SCHEMA, CONFIG, 'node_modules/prisma/package.json'].map((name) => join(checkout, name));
  return files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''));
}

export async function generateClient(checkout) {
  await runQuietly(process.execPath, [join(checkout, 'node_modules/prisma/build/index.js'), 'generate', '--no-hints'], {
    cwd: checkout,
    env: {
      ...process.env,
      // Generating does not use the schema engine, but would download it. Any program will do.
      PRISMA_SCHEMA_ENGINE_BINARY: process.env.PRISMA_SCHEMA_ENGINE_BINARY ?? process.execPath,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  });
  stamp(checkout, STAMP, sources(checkout));
}
