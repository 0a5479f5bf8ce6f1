import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';

/** From `src/http` in a checkout, and from `dist/http` in a package: two levels up. */
const ROOT = resolve(__dirname, '../..');

const text = z.string().catch('');
const Version = z.object({ source: text, version: text, commit: text, build: text });

/** What Dockerflow's `/__version__` tells; what is not known is empty. */
export type Version = z.infer<typeof Version>;

/** From `version.json`, which the build of an image writes; without it, what package.json knows. */
export function readVersion(root = ROOT): Version {
  const name = ['version.json', 'package.json'].find((file) => existsSync(resolve(root, file)));
  return Version.parse(name ? JSON.parse(readFileSync(resolve(root, name), 'utf8')) : {});
}
