import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { describeWith, FETCH_MS, runProgram } from '../support/programs';
import { allCommands, codeOf, examplesOf, mentionsOn, PAGES, problemOf } from './mentions';

const CHECKOUT = resolve(__dirname, '../..');
const { scripts } = JSON.parse(readFileSync(resolve(CHECKOUT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

/** The sources of a script: its program, and what stands beside it. */
function sourceOf(script: string): string {
  const [program = ''] = /tools\/[\w./-]+(?:main\.ts|image\.mjs|sbom\.mjs)/.exec(script) ?? [];
  if (program === '') return '';
  const files = program.endsWith('main.ts')
    ? readdirSync(resolve(CHECKOUT, dirname(program))).map((name) => resolve(CHECKOUT, dirname(program), name))
    : [resolve(CHECKOUT, program)];
  return files.flatMap((file) => (statSync(file).isFile() ? readFileSync(file, 'utf8') : [])).join('\n');
}

describe.each(PAGES)('%s', (page) => {
  it('names only commands and options of onecontact that exist', async () => {
    const problems = await Promise.all((await mentionsOn(page)).map(problemOf));
    expect(problems.filter(Boolean)).toEqual([]);
  });

  it('names only npm scripts and options that exist', () => {
    for (const code of codeOf(page)) {
      const [, name, rest = ''] = /^npm run (?:-s )?([\w:-]+)(?: -- ([^#]*))?/.exec(code) ?? [];
      if (name === undefined) continue;
      expect([code, Object.keys(scripts)]).toEqual([code, expect.arrayContaining([name])]);
      for (const [, option] of rest.matchAll(/(?<=^| )--([a-z-]+)/g))
        expect(`${code}: ${sourceOf(scripts[name] as string)}`).toMatch(new RegExp(`['-]${option}\\b|\\b${option}:`));
    }
  });
});

it('the help of each command has only examples that can be run', async () => {
  const examples = (await Promise.all((await allCommands()).map(examplesOf))).flat();
  expect(examples.length).toBeGreaterThan(40);
  expect((await Promise.all(examples.map(problemOf))).filter(Boolean)).toEqual([]);
});

describeWith('compose')('the pages', () => {
  it(
    'name only commands and options that Docker Compose has',
    async () => {
      const codes = PAGES.flatMap(codeOf).filter((code) => code.startsWith('docker compose '));
      expect(codes).not.toEqual([]);
      for (const code of codes) {
        const [, command = '', rest = ''] = /^docker compose ([a-z]+)(.*?)(?: onecontact .*)?$/.exec(code) ?? [];
        const help = await runProgram('compose', [command, '--help']);
        for (const option of rest.match(/(?<= )--?[a-z-]+/g) ?? [])
          expect([code, help]).toEqual([code, expect.stringContaining(` ${option}`)]);
      }
    },
    FETCH_MS,
  );
});
