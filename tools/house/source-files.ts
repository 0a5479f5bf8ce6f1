import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const CHECKOUT = resolve(__dirname, '../..');

const SOURCE = /\.(ts|mts|cts|mjs|cjs|js)$/;

/** The source files in a folder of the checkout, at any depth, by their path in the checkout. Generated code is left out. */
export function sourceFiles(folder: string): string[] {
  return readdirSync(join(CHECKOUT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && SOURCE.test(entry.name))
    .map((entry) => relative(CHECKOUT, join(entry.parentPath, entry.name)))
    .filter((file) => !/\/(generated|results)\//.test(file))
    .sort();
}

export function countLines(file: string): number {
  return readFileSync(join(CHECKOUT, file), 'utf8').split('\n').length - 1;
}

/** Lines that are neither blank nor only a comment. A comment behind code on the same line does not matter. */
export function countCode(file: string): number {
  let inComment = false;
  let code = 0;
  for (const line of readFileSync(join(CHECKOUT, file), 'utf8').split('\n')) {
    const text = line.trim();
    if (!inComment && text.startsWith('/*')) inComment = true;
    if (inComment) {
      if (text.endsWith('*/')) inComment = false;
    } else if (text !== '' && !text.startsWith('//')) code++;
  }
  return code;
}
