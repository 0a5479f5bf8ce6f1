import { isIP } from 'node:net';

/** Networks that have a name. */
const NAMES = ['loopback', 'linklocal', 'uniquelocal'];

/** Whether text names a proxy: an address, a network such as `10.0.0.0/8`, or a network's name. */
export function isProxy(text: string): boolean {
  if (NAMES.includes(text)) return true;
  const [, address = '', prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(prefix ?? 0) <= (version === 4 ? 32 : 128);
}
