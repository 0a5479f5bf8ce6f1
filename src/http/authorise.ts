import { createHash, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Tells whether an `Authorization` header carries the key. Takes the same time however much of a guess is right. */
export function bearerCheck(apiKey: string): (header: string | undefined) => boolean {
  const wanted = digest(apiKey);
  return (header) => {
    const sent = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1];
    return sent !== undefined && timingSafeEqual(digest(sent), wanted);
  };
}
