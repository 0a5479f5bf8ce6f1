import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the kernel's range for outgoing connections: otherwise a process connecting elsewhere could take the port of a
 * server that is down.
 */
const FIRST = 20_000;
const LAST = 32_000;

/** Free ports of the loopback interface that stay free while their server is down. */
export async function lastingPorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(port)) found.add(port);
  }
  return [...found];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
