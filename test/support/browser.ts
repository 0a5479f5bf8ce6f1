/** Pages in a real browser, which remembers everything that went wrong on them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Browser, BrowserContext, Cookie, Page, Request } from 'playwright-core';
import { CHROMIUMS } from '../../tools/browser/fetch-chromium';
import { launchChromium } from '../../tools/browser/launch';
import { pathFolders } from '../../tools/services/command';
import { KEYRING } from '../../tools/services/debian';

/** Tests in a browser: left out where none is installed and Debian's cannot be fetched. */
export function describeInBrowser(title: string, tests: () => void): void {
  if (isThere(CHROMIUMS) || (isThere(['apt-get']) && existsSync(KEYRING))) return void describe(title, tests);
  describe.skip(`${title} (left out: no Chromium here; install ${CHROMIUMS.slice(1).join(' or ')})`, tests);
}

const isThere = (names: readonly string[]): boolean =>
  names.some((name) => pathFolders(process.env).some((folder) => existsSync(join(folder, name))));

export const startBrowser = (): Promise<Browser> =>
  launchChromium({ log: (line) => void process.stderr.write(`${line}\n`), env: process.env, durable: false });

export interface Look {
  /** @default true */
  javaScript?: boolean;
  /** The colours that the person prefers. @default false */
  dark?: boolean;
  /** As narrow as WCAG asks for without scrolling sideways. @default false */
  phone?: boolean;
  /** A visitor whose session began elsewhere. */
  cookies?: Cookie[];
}

/** Shorter than a test may take, so that its failure names what is missing on the page. */
const PATIENCE_MS = 15_000;
const DESKTOP = { width: 1200, height: 800 };
const PHONE = { width: 320, height: 640 };

/** A browser window of a person of its own: no cookie is shared with another. */
export class Window {
  /** One line for each thing that went wrong, on any page so far. */
  readonly #troubles: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly context: BrowserContext,
    private readonly origin: string,
    readonly javaScript: boolean,
  ) {}

  /** @param origin the only one that pages may ask */
  static async open(browser: Browser, origin: string, look: Look = {}): Promise<Window> {
    const { javaScript = true, dark = false, phone = false, cookies = [] } = look;
    const context = await browser.newContext({
      baseURL: origin,
      javaScriptEnabled: javaScript,
      colorScheme: dark ? 'dark' : 'light',
      viewport: phone ? PHONE : DESKTOP,
      isMobile: phone,
      hasTouch: phone,
      reducedMotion: 'reduce', // else axe may see a colour halfway through its transition
    });
    await context.addCookies(cookies);
    const window = new Window(await context.newPage(), context, new URL(origin).origin, javaScript);
    context.setDefaultTimeout(PATIENCE_MS);
    window.#listen();
    return window;
  }

  #listen(): void {
    const { page, context, origin } = this;
    const note = (trouble: string): void => void this.#troubles.push(`${new URL(page.url()).pathname}: ${trouble}`);
    // A page may be answered 4xx: whether it should is for the test to say. Chromium's own line about it has no more.
    const isPage = (request: Request): boolean => request.isNavigationRequest() && request.frame() === page.mainFrame();
    context.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        note(`console error: ${message.text()}`);
    });
    context.on('weberror', (error) => note(`error: ${error.error().message}`));
    context.on('dialog', (dialog) => {
      note(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    context.on('request', (request) => {
      if (!isAt(origin, request.url())) note(`request elsewhere: ${request.url()}`);
    });
    context.on('requestfailed', (request) =>
      note(`request failed: ${request.url()} (${request.failure()?.errorText})`),
    );
    context.on('response', (response) => {
      if (response.status() >= (isPage(response.request()) ? 500 : 400))
        note(`answer ${response.status()}: ${response.url()}`);
    });
  }

  /** @throws unless every page so far was without an error in its console, a failed request, and a request elsewhere */
  expectClean(): void {
    expect(this.#troubles).toEqual([]);
  }

  /** What went wrong since the last call, for tests that want it to. */
  takeTroubles(): string[] {
    return this.#troubles.splice(0);
  }

  cookies(): Promise<Cookie[]> {
    return this.context.cookies();
  }

  /** What keeps some people from using the page: in light and in dark colours, and on a phone. */
  async barriers(): Promise<string[]> {
    const { page } = this;
    const found = await this.violations();
    await page.emulateMedia({ colorScheme: 'dark' });
    found.push(...(await this.violations(COLOURS)).map((violation) => `dark: ${violation}`));
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(PHONE);
    if (await this.scrollsSideways()) found.push('wider than a phone');
    await page.setViewportSize(DESKTOP);
    return found;
  }

  /** Whether the page is wider than the window. */
  scrollsSideways(): Promise<boolean> {
    return this.page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');
  }

  /** What breaks WCAG 2.2 AA on the page, as far as a program can tell. */
  async violations(rules: RunOptions = WCAG): Promise<string[]> {
    if (!this.javaScript) throw new Error('axe needs a window with JavaScript; the page is the same there');
    // Evaluated by the debugger, which no Content-Security-Policy concerns: the page keeps its own.
    if (!(await this.page.evaluate<boolean>("'axe' in window"))) await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate<AxeResults>(`axe.run(document, ${JSON.stringify(rules)})`);
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary = '' }) => `${id} (${help}): ${target.join(' ')}: ${failureSummary}`),
    );
  }

  close(): Promise<void> {
    return this.context.close();
  }
}

const isAt = (origin: string, url: string): boolean => new URL(url).origin === origin || url.startsWith('data:');

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
/** Pages have no frames, and no style sheet of another host that would have to be fetched first. */
const QUICKLY: RunOptions = { resultTypes: ['violations'], iframes: false, preload: false };
const WCAG: RunOptions = {
  runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] },
  rules: { 'target-size': { enabled: true } }, // new in 2.2, so axe asks for it only on demand
  ...QUICKLY,
};
/** All that the colours of a page decide. */
const COLOURS: RunOptions = {
  runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] },
  ...QUICKLY,
};
