/** Part of `npm run lint`: the rules of the house that neither Biome nor dependency-cruiser knows. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CHECKOUT, countLines, sourceFiles } from './source-files';

const MOST_LINES = 300;
const MOST_FILES = 15;

/** In a page: a path that starts with a folder of the checkout. */
const PATH = /(?<![\w./-])(?:src|test|tools|prisma|contracts|examples|docs)\/[\w./-]*\w/g;
/** Written by the benchmarks, and not in a clone. */
const WRITTEN = /^tools\/bench\/results/;

warnOfSizes();
checkDocs();

/** Modules and folders that have grown too large to be read at once. */
function warnOfSizes(): void {
  const folders = new Map<string, number>();
  for (const file of ['src', 'tools', 'test'].flatMap(sourceFiles)) {
    folders.set(dirname(file), (folders.get(dirname(file)) ?? 0) + 1);
    const lines = countLines(file);
    if (lines > MOST_LINES) print(`warning: ${file} has ${lines} lines, more than ${MOST_LINES}`);
  }
  for (const [folder, count] of folders) {
    if (count > MOST_FILES) print(`warning: ${folder} has ${count} files, more than ${MOST_FILES}`);
  }
}

/** Every file and folder that the pages name must exist. Links are remark's business. */
function checkDocs(): void {
  const docs = readdirSync(join(CHECKOUT, 'docs'), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.md'));
  for (const page of [
    'README.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    ...docs.map((name) => `docs/${name}`),
  ]) {
    const text = readFileSync(join(CHECKOUT, page), 'utf8');
    const paths = [...text.matchAll(PATH)].map(([path]) => path).filter((path) => !WRITTEN.test(path));
    for (const path of new Set(paths)) {
      // Jest takes the start of a test's path, and so may a page.
      if (existsSync(join(CHECKOUT, path)) || existsSync(join(CHECKOUT, `${path}.test.ts`))) continue;
      print(`error: ${page} names ${path}, which does not exist`);
      process.exitCode = 1;
    }
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
