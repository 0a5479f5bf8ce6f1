/** The console as support staff use it: in a real browser, on the whole service. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { type Service, startService } from '../../src/main';
import { silent, withBroker } from '../support/broker';
import { describeInBrowser, type Look, startBrowser, Window } from '../support/browser';
import { freshDatabase, type TestDatabase } from '../support/database';
import { signup } from '../support/events';
import { FETCH_MS } from '../support/programs';
import { eventually, publish } from '../support/service';
import { KEY } from '../support/visitor';

/** In every field that outsiders write. */
const SCRIPT = '<script>document.title = "taken over"</script>';
const IMAGE = '"><img src=x onerror=\'document.title = "taken over"\'>';

describeInBrowser('the console in a browser', () => {
  const broker = withBroker();
  const folder = mkdtempSync(join(tmpdir(), 'onecontact-console-'));
  let data: TestDatabase;
  let service: Service;
  let browser: Browser;
  let window: Window | undefined;

  beforeAll(async () => {
    browser = await startBrowser();
    const keys = join(folder, 'keys');
    writeFileSync(keys, `ada operate ${KEY}\nbob read a-key-that-reads\n`);
    data = await freshDatabase();
    const env = {
      AMQP_URL: broker().url,
      DATABASE_URL: data.url,
      HTTP_PORT: '0',
      CONSOLE_PORT: '0',
      API_KEYS_FILE: keys,
    };
    service = await startService(readConfig({ ...env, ERASURE_KEY: 'a key for erasure in tests' }, SERVICE_NEEDS), {
      only: ['fxa', 'newsletter', 'relay', 'console'],
      log: silent,
    });
  }, FETCH_MS);
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await data?.drop();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    const last = window;
    window = undefined;
    last?.expectClean();
    await last?.close();
  });

  const open = async (look: Look = {}): Promise<Page> => {
    window = await Window.open(browser, service.consoleUrl as string, look);
    return window.page;
  };
  const signIn = async (page: Page, key = KEY): Promise<void> => {
    await page.goto('/sign-in');
    await page.getByLabel('API key').fill(key);
    await page.getByRole('button', { name: 'Sign in' }).click();
  };
  const find = async (page: Page, key: string): Promise<void> => {
    await page.goto('/');
    await page.getByLabel('Email address, token').fill(key);
    await page.getByRole('button', { name: 'Find' }).click();
  };
  const shown = (page: Page): Promise<string | null> => page.locator('main').textContent();

  describe.each([true, false])('with JavaScript: %s', (javaScript) => {
    it('lets in the holder of a key that may operate, and nobody else', async () => {
      const page = await open({ javaScript });
      await signIn(page, 'a-wrong-key');
      expect(await shown(page)).toContain('No key is like this one');
      await signIn(page, 'a-key-that-reads');
      expect(await shown(page)).toContain('lacks the scope operate');
      await signIn(page);
      expect(await page.locator('header').textContent()).toContain('Signed in as ada');
    });

    it('finds a reader by address', async () => {
      const name = `find-${javaScript}`;
      await publish(broker(), signup(name, [IMAGE], 1, { profile: { firstName: SCRIPT, lastName: IMAGE } }));
      await eventually(
        () => data.db.contact.count({ where: {} }),
        (count) => count > 0,
      );
      const page = await open({ javaScript });
      await signIn(page);
      await find(page, 'unknown@mail.test');
      await find(page, `${name}@mail.test`);
      expect(new URL(page.url()).pathname).toMatch(/^\/contacts\/[0-9a-f-]{36}$/);
    });
  });
});
