import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Sends one request with its path unchanged: `fetch` would correct malformed ones. */
export async function ask(base: string, path: string, options: AskOptions = {}): Promise<Answer> {
  const { hostname, port } = new URL(base);
  const { method = 'GET', headers = {}, body = '' } = options;
  const length = { 'content-length': Buffer.byteLength(body) };
  const sent = request({ hostname, port, path, method, headers: { ...headers, ...length, connection: 'close' } });
  sent.end(body);
  const [answer] = await once(sent, 'response');
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}

export interface AskOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}
