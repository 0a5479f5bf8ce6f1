/** Part of `npm run lint`: warns of modules and folders that have grown too large to be read at once. */
import { dirname } from 'node:path';
import { countLines, sourceFiles } from './source-files';

const MOST_LINES = 300;
const MOST_FILES = 15;

const files = ['src', 'tools', 'test'].flatMap(sourceFiles);
const folders = new Map<string, number>();
for (const file of files) {
  const folder = dirname(file);
  folders.set(folder, (folders.get(folder) ?? 0) + 1);
  const lines = countLines(file);
  if (lines > MOST_LINES) warn(`${file} has ${lines} lines, more than ${MOST_LINES}`);
}
for (const [folder, count] of folders) {
  if (count > MOST_FILES) warn(`${folder} has ${count} files, more than ${MOST_FILES}`);
}

function warn(message: string): void {
  process.stdout.write(`warning: ${message}\n`);
}
