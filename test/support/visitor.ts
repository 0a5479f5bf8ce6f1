/** A console for one test, and a visitor who uses it like a browser without JavaScript. */

import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import type { Access } from '../../src/console/access';
import type { ConsoleContext } from '../../src/console/frame/context';
import { makeConsole } from '../../src/console/server';
import { parseApiKeys } from '../../src/foundation/api-keys';
import type { Database } from '../../src/postgres/database';
import { keepRows } from '../../tools/table-rows';
import { freshDatabase, type TestDatabase } from './database';

/** The key `ada` may use the console, the key `bob` may not. */
export const KEYS = parseApiKeys('ada operate a-key-that-operates\nbob read a-key-that-reads');
export const KEY = 'a-key-that-operates';

export interface TestConsole {
  app: FastifyInstance;
  url: string;
}

interface ConsoleOptions {
  context?: Partial<ConsoleContext>;
  access?: Partial<Access>;
}

export async function startTestConsole(db: Database, { context, access }: ConsoleOptions = {}): Promise<TestConsole> {
  const app = makeConsole(
    {
      db,
      withBroker: null,
      apply: { tokenPolicy: 'address', observes: () => false },
      erasureKey: 'a key for erasure in tests',
      erasureList: null,
      log: pino({ level: 'silent' }),
      ...context,
    },
    { keys: { value: KEYS }, trustHeader: null, origin: null, ...access },
  );
  return { app, url: await app.listen({ host: '127.0.0.1', port: 0 }) };
}

/**
 * A console on a database of its own, for all tests of a file, and a visitor who has signed in.
 *
 * @param empties whether each test begins without rows
 */
export function withConsole({ empties = false, ...options }: { empties?: boolean } & ConsoleOptions = {}) {
  let data: TestDatabase;
  let server: TestConsole;
  let visitor: Visitor;
  let empty = async (): Promise<void> => undefined;
  beforeAll(async () => {
    data = await freshDatabase();
    if (empties) empty = await keepRows(data);
    server = await startTestConsole(data.db, options);
    visitor = await Visitor.signedIn(server.url);
  });
  beforeEach(() => empty());
  afterAll(async () => {
    await server?.app.close();
    await data?.drop();
  });
  return { data: () => data, ada: () => visitor };
}

export interface Answer {
  status: number;
  /** Of a redirect. */
  location: string | null;
  headers: Headers;
  html: string;
  /** What a person reads: without tags, with single spaces. */
  text: string;
}

export class Visitor {
  readonly #cookies = new Map<string, string>();

  constructor(
    readonly base: string,
    private readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  /** A visitor who has signed in. */
  static async signedIn(base: string, key = KEY): Promise<Visitor> {
    const visitor = new Visitor(base);
    const { status } = await visitor.submit('/sign-in', '/sign-in', { key });
    if (status !== 303) throw new Error(`signing in was answered ${status}`);
    return visitor;
  }

  get(path: string): Promise<Answer> {
    return this.#send(path, {});
  }

  /** Sends a form with the token of the page that it stands on. */
  async submit(page: string, action: string, fields: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const { html } = await this.get(page);
    const token = /name="_csrf" value="([^"]+)"/.exec(html)?.[1] ?? '';
    return this.post(action, { _csrf: token, ...fields });
  }

  post(action: string, fields: Readonly<Record<string, string>>): Promise<Answer> {
    return this.#send(action, { method: 'POST', body: new URLSearchParams(fields) });
  }

  /** Sends a form, and follows where it leads. */
  async follow(page: string, action: string, fields: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const answer = await this.submit(page, action, fields);
    return answer.location === null ? answer : this.get(answer.location);
  }

  async #send(path: string, init: RequestInit): Promise<Answer> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, this.base), {
      ...init,
      redirect: 'manual',
      headers: { ...this.headers, ...(cookie && { cookie }) },
    });
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] as string).split(/=(.*)/s);
      if (/expires=Thu, 01 Jan 1970/i.test(line) || value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const html = await response.text();
    return {
      status: response.status,
      location: response.headers.get('location'),
      headers: response.headers,
      html,
      text: textOf(html),
    };
  }
}

const textOf = (html: string): string =>
  html
    .replace(/<(script|style)\b.*?<\/\1>/gs, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&')
    .replace(/\s+/g, ' ')
    .trim();
