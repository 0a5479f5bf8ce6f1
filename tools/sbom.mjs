/**
 * Prints the libraries that run with OneContact, as CycloneDX: `npm run sbom > sbom.json`. The image has the same list in
 * /app/sbom.json.
 *
 * They are installed into a temporary folder first, because `npm sbom --omit=dev` of a checkout also leaves out libraries
 * that run, if a development tool needs them too.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const checkout = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const folder = await mkdtemp(join(tmpdir(), 'onecontact-sbom-'));
const npm = (...args) => promisify(execFile)('npm', args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 });

try {
  for (const name of ['package.json', 'package-lock.json', '.npmrc'])
    await copyFile(join(checkout, name), join(folder, name));
  await npm('ci', '--prefer-offline', '--omit=dev', '--omit=peer', '--omit=optional');
  await npm('pkg', 'delete', 'devDependencies');
  process.stdout.write((await npm('sbom', '--sbom-format=cyclonedx')).stdout);
} catch (error) {
  process.stderr.write(`${error.stderr || error.message}\n`);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true });
}
