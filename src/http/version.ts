import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';

/** Two levels above `src/http` in a checkout and `dist/http` in a package. */
const ROOT = resolve(__dirname, '../..');

const text = z.string().catch('');
const Version = z.object({ source: text, version: text, commit: text, build: text });

/** The body of Dockerflow's `/__version__`; unknown fields are empty. */
export type Version = z.infer<typeof Version>;

/** Reads `version.json`, which the image build writes, or else package.json. */
export function readVersion(root = ROOT): Version {
  const name = ['version.json', 'package.json'].find((file) => existsSync(resolve(root, file)));
  return Version.parse(name ? JSON.parse(readFileSync(resolve(root, name), 'utf8')) : {});
}
