/** Tests in a browser are worth something only if the browser notices what is wrong. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { describeInBrowser, type Look, startBrowser, Window } from './browser';
import { FETCH_MS } from './programs';

const page = (body: string): string =>
  `<!DOCTYPE html><html lang="en"><head><meta name="viewport" content="width=device-width"><title>A page</title>
   <link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"><script src="/script.js" defer></script></head>
   <body><main><h1>A page</h1>${body}</main></body></html>`;

const FILES: Record<string, [type: string, content: string, status?: number]> = {
  '/': ['text/html', page('<p>Text</p>')],
  '/style.css': [
    'text/css',
    '@media (prefers-color-scheme: dark) { body { background: #000; color: #fff } .dim { color: #222 } } .wide { width: 400px }',
  ],
  '/script.js': ['text/javascript', "document.querySelector('main').append('Scripts run');"],
  '/refused': ['text/html', page('<p>No</p>'), 403],
  '/elsewhere': ['text/html', page('<a href="https://elsewhere.test/page">Leave</a>')],
  '/picture': ['text/html', page('<img alt="" src="https://elsewhere.test/x.png">')],
  '/missing': ['text/html', page('<img alt="" src="/no-such.png">')],
  '/broken': ['text/html', page('<p>Text</p><script src="/broken.js"></script>')],
  '/broken.js': ['text/javascript', "console.error('complaint'); throw new Error('thrown');"],
  '/inline': ['text/html', page('<p onclick="x()" style="color: red">Text</p><script>alert(1)</script>')],
  '/nameless': ['text/html', page('<input>')],
  '/dim': ['text/html', page('<p class="dim">Text</p>')],
  '/wide': ['text/html', page('<p class="wide">Text</p>')],
};

let server: Server;
let browser: Browser;
let window: Window | undefined;

const open = async (path: string, look?: Look): Promise<Window> => {
  window = await Window.open(browser, `http://127.0.0.1:${(server.address() as AddressInfo).port}`, look);
  await window.page.goto(path);
  return window;
};

describeInBrowser('a browser for tests', () => {
  beforeAll(async () => {
    browser = await startBrowser();
  }, FETCH_MS);
  afterAll(() => browser?.close());
  beforeEach(async () => {
    server = createServer(({ url = '' }, response) => {
      const [type, content, status = 200] = FILES[url] ?? ['text/plain', '', 404];
      response.writeHead(status, {
        'content-type': type,
        'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:",
      });
      response.end(content);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await window?.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it.each<Look>([{}, { javaScript: false }, { dark: true }, { phone: true }])(
    'has nothing to say of a good page: %j',
    async (look) => {
      const { page } = await open('/', look);
      expect((await page.textContent('main'))?.includes('Scripts run')).toBe(look.javaScript !== false);
      if (look.javaScript !== false) expect(await window?.violations()).toEqual([]);
      expect(await window?.scrollsSideways()).toBe(false);
      await page.goto('/refused');
      window?.expectClean();
    },
  );

  it.each([
    ['/picture', /^\/picture: request (elsewhere|failed): https:\/\/elsewhere\.test\/x\.png/],
    ['/missing', /^\/missing: answer 404: .*\/no-such\.png$/],
    ['/broken', /^\/broken: console error: complaint$/],
    ['/broken', /^\/broken: error: thrown$/],
    ['/inline', /^\/inline: console error: .*inline script.*Content Security Policy/],
    ['/inline', /^\/inline: console error: .*inline style.*Content Security Policy/],
  ])('notices what is wrong with the page %s: %s', async (path, trouble) => {
    await open(path);
    expect(() => window?.expectClean()).toThrow();
    expect(window?.takeTroubles()).toContainEqual(expect.stringMatching(trouble));
  });

  it('reaches no other host', async () => {
    const { page } = await open('/elsewhere');
    await Promise.all([page.waitForEvent('requestfailed'), page.click('a', { noWaitAfter: true })]);
    expect(window?.takeTroubles().join('\n')).toMatch(/request elsewhere: .*\n.*ERR_NAME_NOT_RESOLVED/);
  });

  it('finds what people cannot perceive or use, in either colours and on a phone', async () => {
    expect(await (await open('/')).barriers()).toEqual([]);
    expect(await (await open('/nameless')).barriers()).toEqual([expect.stringMatching(/^label .*: input: /)]);
    expect(await (await open('/dim')).barriers()).toEqual([expect.stringMatching(/^dark: color-contrast .*: p: /)]);
    expect(await (await open('/wide')).barriers()).toEqual(['wider than a phone']);
    window?.expectClean();
  });
});
