import { createHash, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Makes a check whether an `Authorization` header carries the API key. It takes the same time for every wrong key. */
export function bearerCheck(apiKey: string): (header: string | undefined) => boolean {
  const expected = digest(apiKey);
  return (header) => {
    const key = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1];
    return key !== undefined && timingSafeEqual(digest(key), expected);
  };
}
