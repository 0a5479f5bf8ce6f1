/** `npm run contracts`: writes the generated files, and deletes the schemas of removed messages. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { generatedFiles } from './files';

const CHECKOUT = resolve(__dirname, '../..');
const CONTRACTS = join(CHECKOUT, 'contracts');

const files = generatedFiles();
mkdirSync(CONTRACTS, { recursive: true });
for (const name of readdirSync(CONTRACTS)) {
  if (name.endsWith('.json') && !files.has(`contracts/${name}`)) rmSync(join(CONTRACTS, name));
}
for (const [path, content] of files) {
  mkdirSync(dirname(join(CHECKOUT, path)), { recursive: true });
  writeFileSync(join(CHECKOUT, path), content);
}
process.stdout.write(`${files.size} files written\n`);
