/** Who may use the console, and what every answer of it has. */
import { request as httpRequest } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseApiKeys } from '../../src/foundation/api-keys';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { apply } from '../support/stored';
import { KEY, KEYS, startTestConsole, type TestConsole, Visitor } from '../support/visitor';

let data: TestDatabase;
beforeAll(async () => {
  data = await freshDatabase();
  await apply(data.db, signup('ada', ['x'], 1));
});
afterAll(() => data?.drop());

let keys: { value: typeof KEYS };
let server: TestConsole;
beforeEach(async () => {
  keys = { value: KEYS };
  server = await startTestConsole(data.db, { access: { keys } });
});
afterEach(() => server?.app.close());

describe('signing in to the console', () => {
  it('is asked of everyone, and leads to the page that was asked for', async () => {
    const visitor = new Visitor(server.url);
    const asked = await visitor.get('/merges?undone=yes');
    expect(asked).toMatchObject({ status: 303, location: '/sign-in?to=%2Fmerges%3Fundone%3Dyes' });
    const { html } = await visitor.get(asked.location as string);
    const to = /name="to" value="([^"]*)"/.exec(html)?.[1]?.replace('&amp;', '&') as string;
    const answer = await visitor.submit('/sign-in', '/sign-in', { key: KEY, to });
    expect(answer).toMatchObject({ status: 303, location: '/merges?undone=yes' });
    expect((await visitor.get('/')).text).toContain('Signed in as ada');
  });

  it.each(['//evil.test/', '/\\evil.test', 'https://evil.test/', '/x\nSet-Cookie: a=b'])(
    'leads nowhere else, such as to %j',
    async (to) => {
      const visitor = new Visitor(server.url);
      expect(await visitor.submit('/sign-in', '/sign-in', { key: KEY, to })).toMatchObject({
        status: 303,
        location: '/',
      });
    },
  );

  it('is refused with a wrong key, with none, and with a key that lacks the scope operate', async () => {
    const visitor = new Visitor(server.url);
    const wrong = await visitor.submit('/sign-in', '/sign-in', { key: 'wrong' });
    expect(wrong).toMatchObject({ status: 401, text: expect.stringContaining('This key is not known') });
    expect(wrong.html).not.toContain('value="wrong"');
    expect(await visitor.submit('/sign-in', '/sign-in')).toMatchObject({ status: 401 });
    const small = await visitor.submit('/sign-in', '/sign-in', { key: 'a-key-that-reads' });
    expect(small).toMatchObject({ status: 403, text: expect.stringContaining('lacks the scope operate') });
    expect((await visitor.get('/')).status).toBe(303);
  });

  it('may be tried ten times a minute', async () => {
    const visitor = new Visitor(server.url);
    const statuses: number[] = [];
    for (let i = 0; i < 11; i++) statuses.push((await visitor.submit('/sign-in', '/sign-in', { key: `k${i}` })).status);
    expect(statuses).toEqual([...Array(10).fill(401), 429]);
  });

  it('ends with a click, and at once when the key is removed, replaced or loses its scope', async () => {
    const leaver = await Visitor.signedIn(server.url);
    expect(await leaver.submit('/', '/sign-out')).toMatchObject({ status: 303, location: '/sign-in' });
    expect((await leaver.get('/')).status).toBe(303);
    for (const line of ['eve operate another-key', 'ada operate a-new-key', 'ada read,write a-key-that-operates']) {
      keys.value = KEYS;
      const visitor = await Visitor.signedIn(server.url);
      expect((await visitor.get('/')).status).toBe(200);
      keys.value = parseApiKeys(line);
      expect((await visitor.get('/')).status).toBe(303);
    }
  });

  it('cannot be forged: a cookie that this process has not signed counts for nothing', async () => {
    const session = JSON.stringify({
      key: 'ada',
      mark: KEYS[0]?.digest.toString('base64url').slice(0, 16),
      until: 9e15,
    });
    for (const cookie of [session, `${session}.x`, `${session}.${'A'.repeat(43)}`]) {
      const visitor = new Visitor(server.url, { cookie: `onecontact_session=${encodeURIComponent(cookie)}` });
      expect((await visitor.get('/')).status).toBe(303);
    }
  });
});

describe('another signed cookie', () => {
  it('does not count as a session', async () => {
    const visitor = new Visitor(server.url);
    const { headers } = await visitor.get('/sign-in');
    const [csrf = ''] = headers.getSetCookie().map((line) => /^_csrf=([^;]+)/.exec(line)?.[1] ?? '');
    expect(csrf).not.toBe('');
    expect((await new Visitor(server.url, { cookie: `onecontact_session=${csrf}` }).get('/')).status).toBe(303);
  });
});

describe('a form of the console', () => {
  it('is refused without the token of its page, and with the token of another session', async () => {
    const visitor = await Visitor.signedIn(server.url);
    await visitor.get('/');
    for (const fields of [{ key: 'x' }, { key: 'x', _csrf: 'wrong' }]) {
      expect(await visitor.post('/find', fields)).toMatchObject({
        status: 403,
        text: expect.stringContaining('reload'),
      });
    }
    const other = await Visitor.signedIn(server.url);
    const token = /name="_csrf" value="([^"]+)"/.exec((await other.get('/')).html)?.[1] as string;
    expect((await visitor.post('/find', { key: 'x', _csrf: token })).status).toBe(403);
  });
});

describe('a header of a proxy', () => {
  it('names who is signed in only if it was configured', async () => {
    const headers = { 'x-forwarded-user': 'eve@staff.test' };
    expect((await new Visitor(server.url, headers).get('/')).status).toBe(303);
    const trusting = await startTestConsole(data.db, { access: { trustHeader: 'X-Forwarded-User' } });
    try {
      const { text } = await new Visitor(trusting.url, headers).get('/');
      expect(text).toContain('Signed in as eve@staff.test');
      expect(text).not.toContain('Sign out');
      expect((await new Visitor(trusting.url, { 'x-forwarded-user': ' ' }).get('/')).status).toBe(303);
      expect((await new Visitor(trusting.url).get('/')).status).toBe(303);
    } finally {
      await trusting.app.close();
    }
  });
});

/** `fetch` sets the host itself. */
const statusFor = (url: string, host: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    httpRequest(new URL('/sign-in', url), { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });

describe('an answer of the console', () => {
  it('is given only under the names of this machine, or under the configured one', async () => {
    const { port } = new URL(server.url);
    expect(await statusFor(server.url, `localhost:${port}`)).toBe(200);
    for (const host of ['evil.test', `evil.test:${port}`, 'console.example.org', '127.0.0.1.evil.test']) {
      expect(await statusFor(server.url, host)).toBe(421);
    }
    const behind = await startTestConsole(data.db, { access: { origin: 'https://console.example.org' } });
    try {
      expect(await statusFor(behind.url, 'console.example.org')).toBe(200);
      expect(await statusFor(behind.url, 'evil.test')).toBe(421);
      const { headers } = await new Visitor(behind.url).get('/sign-in');
      expect(headers.get('strict-transport-security')).toContain('max-age');
      expect(headers.getSetCookie().join()).toContain('Secure');
    } finally {
      await behind.app.close();
    }
  });

  it('loads nothing from elsewhere, runs no script of its text, is never stored, and cannot be framed', async () => {
    const { headers, html } = await (await Visitor.signedIn(server.url)).get('/');
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none';script-src 'self';style-src 'self';img-src 'self' data:;form-action 'self';frame-ancestors 'none';base-uri 'none'",
    );
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(html).not.toMatch(/ style="| on\w+="|<script>|https?:\/\//);
    for (const [, url] of html.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)) {
      expect((await new Visitor(server.url).get(url as string)).status).toBe(200);
    }
  });

  it('shows text as text', async () => {
    const visitor = await Visitor.signedIn(server.url);
    const { html } = await visitor.get('/%3Cscript%3Ealert(1)%3C/script%3E');
    expect(html).not.toContain('<script>');
    expect(await visitor.submit('/', '/find', { key: '"><script>alert(1)</script>' })).toMatchObject({ status: 404 });
  });

  it('has no address in the path of a reader who was found', async () => {
    const visitor = await Visitor.signedIn(server.url);
    expect(await visitor.submit('/', '/find', { key: 'ada@mail.test' })).toMatchObject({
      status: 303,
      location: expect.stringMatching(/^\/contacts\/[0-9a-f-]{36}$/),
    });
  });
});
