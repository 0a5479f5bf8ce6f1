import { describe, expect, it } from '@jest/globals';
import { listing, wrap } from '../../src/operations/render';

const HEAD = ['merge', 'reason', 'account'];
const ROWS = [
  ['1', 'claim', 'ada'],
  ['2', 'recreated\u001b[2J', 'bea'],
];

describe('listing', () => {
  it('is a table where that fits the terminal', () => {
    expect(listing(HEAD, ROWS, 80)).toEqual([
      'merge  reason         account',
      '1      claim          ada',
      '2      recreated\ufffd[2J  bea',
    ]);
  });

  it('is a block for each row elsewhere, with the headings as names', () => {
    expect(listing(HEAD, ROWS, 20)).toEqual([
      ...['merge 1', '  reason   claim', '  account  ada'],
      '',
      ...['merge 2', '  reason   recreated\ufffd[2J', '  account  bea'],
    ]);
  });

  it('has no heading where rows were printed before', () => {
    expect(listing(HEAD, ROWS.slice(0, 1), 80, true)).toEqual(['1      claim   ada']);
    expect(listing(HEAD, ROWS.slice(0, 1), 20, true)).toEqual(['', 'merge 1', '  reason   claim', '  account  ada']);
  });
});

describe('wrap', () => {
  it('breaks between words, and indents the lines after the first', () => {
    const text = 'token  9d130469 stays, because mail that was sent before carries it';
    expect(wrap(text, 50, 7)).toEqual([
      'token  9d130469 stays, because mail that was sent',
      '       before carries it',
    ]);
  });
});
