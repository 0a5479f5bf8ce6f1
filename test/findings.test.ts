import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(__dirname, '..');
const FINDINGS = readFileSync(join(__dirname, 'findings.md'), 'utf8');

/** First arguments, because a title may follow the table of `it.each`. A text with values is one only at a test. */
const TITLE =
  /(\w+|\))\s*\(\s*(?:'((?:\\.|[^'\n])+)'|"([^"\n]+)"|(?<=(?:describe|it|test|\))\s*\(\s*)`((?:\\.|[^`])+)`)/g;

/** Where a title has a value, the register may have anything. */
const patternOf = (title: string): string =>
  title
    .replace(/ \(SEED=\$\{seed\}\)$/, '')
    .split(/\$\{[^}]*\}/)
    .map((text) => text.replace(/\\(.)/g, '$1').replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.+');

function hasTest(file: string, name: string): boolean {
  const [groups, tests]: [string[], string[]] = [[], []];
  for (const [, before, single, double, template] of readFileSync(join(ROOT, file), 'utf8').matchAll(TITLE))
    (before === 'describe' ? groups : tests).push(patternOf(single ?? double ?? template ?? ''));
  // A name is that of the test alone, or follows the name of its group.
  return new RegExp(`^(?:(?:${groups.join('|')}) )?(?:${tests.join('|')})$`).test(name);
}

interface Finding {
  fault: string;
  answers: string[];
}

/** Long lines are wrapped in the register. */
const findings: Finding[] = FINDINGS.split(/^- /m)
  .slice(1)
  .map((text) => {
    const [fault = '', ...answers] = (text.split(/\n(?:\n|#)/)[0] ?? '').split(/\n {2}- /);
    const inOneLine = (lines: string): string => lines.trim().replace(/\s*\n\s*/g, ' ');
    return { fault: inOneLine(fault), answers: answers.map(inOneLine) };
  });

describe('each finding', () => {
  it('is one sentence with an answer: a test, what is open, or why it was not changed', () => {
    expect(findings.length).toBeGreaterThan(30);
    const unanswered = findings.filter(
      ({ fault, answers }) =>
        !fault.endsWith('.') || answers.length === 0 || !answers.every((it) => /^(Test|Open|Not changed): ./.test(it)),
    );
    expect(unanswered).toEqual([]);
  });

  it('names a test that exists', () => {
    const missing = findings.flatMap(({ answers }) =>
      answers
        .filter((answer) => answer.startsWith('Test: '))
        .filter((answer) => {
          const [, file, name] = /^Test: `([^`]+)`, "(.+)"$/.exec(answer) ?? [];
          return file === undefined || name === undefined || !existsSync(join(ROOT, file)) || !hasTest(file, name);
        }),
    );
    expect(missing).toEqual([]);
  });

  it('needs the whole name of a test, with or without that of its group', () => {
    const file = 'test/findings.test.ts';
    expect(hasTest(file, 'names a test that exists')).toBe(true);
    expect(hasTest(file, 'each finding names a test that exists')).toBe(true);
    expect(hasTest(file, 'names a test')).toBe(false);
    expect(hasTest(file, 'each finding')).toBe(false);
  });
});
