import { describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from '../../src/foundation/cursor';

const position = {
  epoch: '0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11',
  changedIn: 2n ** 64n - 2n,
  contactId: '0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11',
};
const cursor = encodeCursor(position);

describe('a cursor', () => {
  it('is read as the position that it was written from', () => {
    expect(decodeCursor(cursor)).toEqual(position);
    expect(cursor).toMatch(/^A[\w-]{59}$/);
  });

  it('is refused when any of its characters is another one, is missing or is added', () => {
    for (let i = 0; i < cursor.length; i++) {
      const other = cursor[i] === 'A' ? 'B' : 'A';
      expect(decodeCursor(cursor.slice(0, i) + other + cursor.slice(i + 1))).toBeUndefined();
      expect(decodeCursor(cursor.slice(0, i) + cursor.slice(i + 1))).toBeUndefined();
    }
    for (const text of ['', ' ', `${cursor} `, `${cursor}=`, `${cursor}A`, 'null', cursor.toLowerCase()]) {
      expect(decodeCursor(text)).toBeUndefined();
    }
  });
});
