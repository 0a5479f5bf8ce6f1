import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { run } from '../../tools/services/command';
import { FETCH_MS } from '../support/programs';

const ROOT = join(__dirname, '../..');
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

interface Package {
  dependencies: Record<string, string>;
  engines: { node: string };
}
const { dependencies, engines } = JSON.parse(read('package.json')) as Package;

describe('the image', () => {
  it(
    'has the libraries that `npm run sbom` lists, each with licence and hash, and none that only build or test',
    async () => {
      const list = await run('npm', ['run', '--silent', 'sbom'], { cwd: ROOT });
      const { components } = JSON.parse(list) as {
        components: { name: string; licenses?: unknown[]; hashes?: unknown[] }[];
      };
      const names = components.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining([...Object.keys(dependencies), 'pg-protocol', 'ajv']));
      for (const name of ['jest', 'prisma', 'typescript', 'tsx']) expect(names).not.toContain(name);
      expect(components.filter(({ licenses = [], hashes = [] }) => licenses.length + hashes.length < 2)).toEqual([]);
    },
    FETCH_MS,
  );

  it('leaves out what `npm run sbom` leaves out', () => {
    const [, omitted = ''] = /npm prune (.+?) \\/.exec(read('Dockerfile')) ?? [];
    expect(omitted).toContain('--omit=dev');
    const quoted = omitted.split(' ').map((option) => `'${option}'`);
    expect(read('tools/sbom.mjs')).toContain(`npm('ci', '--prefer-offline', ${quoted.join(', ')})`);
  });

  it('runs on a release of Node with long-term support that package.json accepts', () => {
    const [, major] = /^ARG NODE_IMAGE=node:(\d+)-/m.exec(read('Dockerfile')) ?? [];
    expect(Number(major) % 2).toBe(0);
    expect(Number(major)).toBeGreaterThan(Number(/\d+/.exec(engines.node)));
  });
});
