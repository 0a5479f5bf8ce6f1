import { describe, expect, it } from '@jest/globals';
import { defaultKey, digestOf, parseApiKeys } from '../../src/foundation/api-keys';

describe('a file of API keys', () => {
  it('has one key a line, with its name and scopes; comments and empty lines are skipped', () => {
    const text = '\n# The preference centre\r\nsite-2026 read,write s3cret#1\r\n\n  ops\toperate  s3cret-2  \n';
    expect(parseApiKeys(text)).toEqual([
      { name: 'site-2026', scopes: new Set(['read', 'write']), digest: digestOf('s3cret#1') },
      { name: 'ops', scopes: new Set(['operate']), digest: digestOf('s3cret-2') },
    ]);
  });

  it.each([
    ['site read', /^line 3: must be NAME SCOPE\[,SCOPE\] KEY/],
    ['site read, write do-not-show', /^line 3: must be NAME SCOPE\[,SCOPE\] KEY/],
    ['site admin do-not-show', /^line 3: a scope must be one of read, write, vouch, operate$/],
    ['site read, do-not-show', /^line 3: a scope must be one of/],
    ['site READ do-not-show', /^line 3: a scope must be one of/],
    ['a"b read do-not-show', /^line 3: the name must be/],
    ['none read do-not-show', /^line 3: the name must not be none/],
    ['site read do-not-show-ü', /^line 3: the key must be printable ASCII/],
    ['first read do-not-show', /^line 3: the name first is taken/],
    ['default read do-not-show', /^line 3: the name default is taken/],
    ['second read first-key', /^line 3: the key is listed under another name already/],
    ['second read the-default', /^line 3: the key is listed under another name already/],
  ])('refuses the line %j by its number, without showing the key', (line, problem) => {
    const parse = () => parseApiKeys(`# Keys\nfirst read first-key\n${line}\n`, [defaultKey('the-default')]);
    expect(parse).toThrow(problem);
    expect(parse).not.toThrow('do-not-show');
  });

  it.each(['', '\n', '# site read do-not-show'])('refuses the text %j, which has no key', (text) => {
    expect(() => parseApiKeys(text)).toThrow('has no key');
  });
});
