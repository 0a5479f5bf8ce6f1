import { describe, expect, it } from '@jest/globals';
import { Command } from 'commander';
import { wrapHelp } from '../../src/cli/help';
import { onecontact } from '../support/command-line';

const COMMANDS = [
  ...[
    'start',
    'console',
    'migrate',
    'topology',
    'show',
    'consent',
    'merges',
    'collisions',
    'import',
    'export',
    'feed',
    'erase',
  ],
  ...['erasures', 'opt-out', 'purge', 'audit', 'send', 'dead-letters'],
];

describe('the help of onecontact', () => {
  it('lists every command in a group', async () => {
    const { out } = await onecontact(['--help']);
    const groups = out.split('\n').filter((line) => /^\S.*:$/.test(line));
    expect(groups).toEqual([
      ...['Options:', 'Service:', 'Look up:', 'Merges:', 'Import and export:', 'Privacy:', 'Messages:', 'Commands:'],
      'Examples:',
    ]);
    for (const command of COMMANDS) expect(out).toMatch(new RegExp(`^ {2}${command} `, 'm'));
  });

  it('of every command and subcommand fits 80 columns, but for examples', async () => {
    const tooLong: string[] = [];
    const check = async (path: readonly string[]): Promise<number> => {
      const { out } = await onecontact([...path, '--help']);
      const [text = ''] = out.split('\nExamples:\n');
      tooLong.push(...text.split('\n').filter((line) => line.length > 80));
      if (!out.includes('[command]')) return 1;
      const names = [...text.matchAll(/^ {2}([a-z][a-z-]+) /gm)].map(([, name]) => name as string);
      let checked = 1;
      for (const name of names.filter((it) => it !== 'help')) checked += await check([...path, name]);
      return checked;
    };
    expect(await check([])).toBeGreaterThan(30);
    expect(tooLong).toEqual([]);
  });

  it('wraps paragraphs to the terminal, and leaves headings, lists and examples as they are', () => {
    const program = new Command().configureOutput({ getOutHelpWidth: () => 40 });
    const text = `
Needs DATABASE_URL, which names the database of the
service. Exits with 1
when it is unknown. One of:
  a  the first
  b  the second, which is longer than the terminal is wide

Examples:
  $ onecontact show somebody@mail.test --json > somebody.json
`;
    expect(wrapHelp(text, program)).toBe(`
Needs DATABASE_URL, which names the
database of the service. Exits with 1
when it is unknown. One of:
  a  the first
  b  the second, which is longer than the terminal is wide

Examples:
  $ onecontact show somebody@mail.test --json > somebody.json
`);
  });

  it.each(['-v', '-V', '--version'])('prints the version with %s', async (option) => {
    expect(await onecontact([option])).toEqual({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      err: '',
    });
  });
});
