import { describe, expect, it } from '@jest/globals';
import { Command } from 'commander';
import { wrapHelp } from '../../src/cli/help';
import { onecontact } from '../support/command-line';

const COMMANDS = [
  ...['start', 'migrate', 'topology', 'show', 'consent', 'merges', 'collisions', 'import', 'export', 'feed', 'erase'],
  ...['opt-out', 'send'],
  ...['erasures', 'purge', 'audit', 'dead-letters'],
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

  it.each([[''], ...COMMANDS.map((command) => [command])])('fits 80 columns, but for examples: %s', async (command) => {
    const { out } = await onecontact([...(command ? [command] : []), '--help']);
    const [text = ''] = out.split('\nExamples:\n');
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
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
