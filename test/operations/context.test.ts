import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { Context } from '../../src/operations/context';

const STEERING = ['\u007f', '\u0080', '\u009b', '\u009f', '\u2028', '\u2029', '\u202a', '\u202e', '\u2066', '\u2069'];
const NAME = `A${STEERING.join('')}da "\u001b[31m" \u00a0\u2027\u202f\u2065\u206a é`;

/** What a command writes to stdout that is a terminal, or a pipe. */
async function written(isTTY: boolean, command: (context: Context) => Promise<void>): Promise<string> {
  let out = '';
  const write = (text: string): boolean => {
    out += text;
    return true;
  };
  const sink = Object.assign(new EventEmitter(), { isTTY, write });
  await command(new Context({ env: {}, stdout: sink, stderr: sink }));
  return out;
}

describe('JSON on a terminal', () => {
  const toPipe = `${JSON.stringify({ [NAME]: [NAME] })}\n`;

  it.each(['a line of an export or a list', 'an answer'])(
    '%s has no character that steers it, and says the same',
    async (kind) => {
      const body = { [NAME]: [NAME] };
      const print = (context: Context) =>
        kind === 'an answer'
          ? context.answer({ json: true }, body, () => '')
          : context.printJson(JSON.stringify(body), JSON.stringify(body));
      const out = await written(true, print);
      for (const character of STEERING) expect(out).not.toContain(character);
      expect(out).toContain('A\\u007f\\u0080\\u009b\\u009f\\u2028\\u2029\\u202a\\u202e\\u2066\\u2069da');
      expect(out).toContain('\u00a0\u2027\u202f\u2065\u206a é');
      for (const line of out.trimEnd().split('\n')) expect(JSON.parse(line)).toEqual(body);
      expect(await written(false, print)).toBe(kind === 'an answer' ? toPipe : toPipe + toPipe);
    },
  );
});

describe('text for people', () => {
  it('shows on a terminal every control character but the line break as a visible one', async () => {
    const print = (context: Context) => context.print(`${STEERING.join('')}\u001b[31m\nä\n`);
    expect(await written(true, print)).toBe(`${'\ufffd'.repeat(STEERING.length + 1)}[31m\nä\n`);
    expect(await written(false, print)).toBe(`${STEERING.join('')}\u001b[31m\nä\n`);
  });
});
