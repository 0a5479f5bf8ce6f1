/** The console as support staff use it: in a real browser, on the whole service. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Cookie, Locator, Page } from 'playwright-core';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { type Service, startService } from '../../src/main';
import { DEAD_LETTERS } from '../../src/rabbitmq/names';
import { silent, withBroker } from '../support/broker';
import { describeInBrowser, type Look, startBrowser, Window } from '../support/browser';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup } from '../support/events';
import { FETCH_MS } from '../support/programs';
import { eventually, messageOf, publish } from '../support/service';
import { apply, DEFAULTS } from '../support/stored';
import { KEY } from '../support/visitor';

/** Outsiders write them into every field that they can. */
const SCRIPT = `<script>document.title = 'taken over'</script>`;
const IMAGE = `"><img src=x onerror="document.title = 'taken over'">`;

describeInBrowser('the console in a browser', () => {
  const broker = withBroker();
  const folder = mkdtempSync(join(tmpdir(), 'onecontact-console-'));
  let data: TestDatabase;
  let service: Service;
  let browser: Browser;
  let cookies: Cookie[];
  let window: Window;

  beforeAll(async () => {
    browser = await startBrowser();
    const keys = join(folder, 'keys');
    writeFileSync(keys, `ada operate ${KEY}\nbob read a-key-that-reads\n`);
    data = await freshDatabase();
    const env = { AMQP_URL: broker().url, DATABASE_URL: data.url, HTTP_PORT: '0', CONSOLE_PORT: '0' };
    const secrets = { API_KEYS_FILE: keys, ERASURE_KEY: 'a key for erasure in tests' };
    service = await startService(readConfig({ ...env, ...secrets }, SERVICE_NEEDS), {
      only: ['fxa', 'newsletter', 'relay', 'console'],
      log: silent,
    });
    const page = await open();
    await signIn(page);
    cookies = await window.cookies();
    await window.close();
  }, FETCH_MS);
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await data?.drop();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    window.expectClean();
    await window.close();
  });

  async function open(look: Look = {}): Promise<Page> {
    window = await Window.open(browser, service.consoleUrl as string, look);
    return window.page;
  }
  /** Clicks what leads to another page, and waits until it is there. */
  async function leaveBy(page: Page, element: Locator): Promise<void> {
    // Not the event `load` alone: on a slow machine, that of the page before may come late.
    const arrived = page.waitForEvent('framenavigated', (frame) => frame === page.mainFrame());
    await element.click();
    await arrived;
    await page.waitForLoadState('load');
  }
  const press = (page: Page, button: string | RegExp): Promise<void> =>
    leaveBy(page, page.getByRole('button', { name: button }));
  const follow = (page: Page, link: string | RegExp): Promise<void> =>
    leaveBy(page, page.locator('main').getByRole('link', { name: link }).first());

  async function signIn(page: Page, key = KEY): Promise<void> {
    await page.goto('/sign-in');
    await page.getByLabel('API key').fill(key);
    await press(page, 'Sign in');
  }
  async function find(page: Page, key: string): Promise<void> {
    await page.goto('/');
    await page.getByLabel('Email address, token').fill(key);
    await press(page, /^Find/);
  }
  const text = async (page: Page): Promise<string> => (await page.textContent('main')) ?? '';

  /** What outsiders wrote is there, as text. */
  async function expectHarmless(page: Page): Promise<void> {
    expect(await text(page)).toContain(SCRIPT);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.title()).not.toBe('taken over');
  }
  /** Of a page that no link leads to: the others are visited at the end. */
  async function expectNoBarriers(): Promise<void> {
    if (window.javaScript) expect(await window.barriers()).toEqual([]);
  }

  /** An account that took over the contact of a sign-up. */
  async function merge(name: string, person: string): Promise<void> {
    const profile = { firstName: SCRIPT, lastName: IMAGE };
    await apply(data.db, acct(person, `${name}-home`, 0), signup(name, [SCRIPT, IMAGE], 2, { profile }));
    await apply(data.db, acct(person, name, 3));
  }
  const contactOf = async (address: string): Promise<string | undefined> => {
    const [row] = await data.sql<{ contact_id: string }>('SELECT contact_id FROM email_address WHERE address = $1', [
      address,
    ]);
    return row?.contact_id;
  };

  describe.each([true, false])('with JavaScript: %s', (javaScript) => {
    const mode = javaScript ? 'js' : 'plain';

    it('lets in only the holder of a key that may operate', async () => {
      const page = await open({ javaScript });
      await signIn(page, 'a-wrong-key');
      expect(await text(page)).toContain('This key is not known');
      await expectNoBarriers();
      await signIn(page, 'a-key-that-reads');
      expect(await text(page)).toContain('lacks the scope operate');
      await page.goto('/merges');
      expect(new URL(page.url()).pathname).toBe('/sign-in');
      await signIn(page);
      expect(await page.textContent('header')).toContain('Signed in as ada');
      await press(page, 'Sign out');
      await page.goto('/');
      expect(new URL(page.url()).pathname).toBe('/sign-in');
    });

    it('finds a reader, and says what to try otherwise', async () => {
      const page = await open({ javaScript, cookies });
      await publish(broker(), signup(`find-${mode}`, [IMAGE, SCRIPT], 1));
      const id = await eventually(() => contactOf(`find-${mode}@mail.test`), Boolean);
      await find(page, 'unknown@mail.test');
      expect(await text(page)).toContain('Check the spelling');
      await expectNoBarriers();
      await find(page, `find-${mode}@mail.test`);
      expect(new URL(page.url()).pathname).toBe(`/contacts/${id}`);
      await expectHarmless(page);
    });

    it('undoes a merge', async () => {
      await merge(`undo-${mode}`, `u-${mode}`);
      const page = await open({ javaScript, cookies });
      await page.goto('/merges');
      await leaveBy(page, page.locator('main a[href^="/merges/"]').first());
      await expectHarmless(page);
      await follow(page, /undo/i);
      await expectHarmless(page);
      await page.getByLabel('Reason').fill('Two people, says ticket 7');
      await press(page, 'Undo this merge');
      expect(await text(page)).toContain('The merge was undone');
      const ids = await Promise.all([`undo-${mode}`, `undo-${mode}-home`].map((it) => contactOf(`${it}@mail.test`)));
      expect(new Set(ids).size).toBe(2);
      await press(page, /^Preview unblocking/);
      await expectNoBarriers();
    });

    it('releases a claim that observe mode holds', async () => {
      const [name, person] = [`held-${mode}`, `h-${mode}`];
      await apply(data.db, signup(name, [SCRIPT], 1), acct(person, `${name}-home`, 0));
      await applyBatch(data.db, [acct(person, name, 2)], { ...DEFAULTS, observes: () => true });
      const page = await open({ javaScript, cookies });
      await page.goto('/collisions');
      await press(page, `Preview releasing ${name}@mail.test`);
      await expectNoBarriers();
      await page.getByLabel('Reason').fill('Checked with the person');
      await press(page, 'Release 1 pair');
      expect(await text(page)).toContain('The claim was released');
      await expectHarmless(page);
      expect(await contactOf(`${name}@mail.test`)).toBe(await contactOf(`${name}-home@mail.test`));
    });

    it('replays a dead letter, and shows another with its problems', async () => {
      const { key, exchange, body } = messageOf(signup(`replayed-${mode}`, ['x'], 1));
      const headers = { reason: 'failed', error: SCRIPT, attempts: 5, 'origin-queue': 'contacts.newsletter' };
      await broker().send('', DEAD_LETTERS, [JSON.stringify(body)], { persistent: true, headers });
      const broken = { ...body, email: 'broken@mail.test', newsletters: SCRIPT, first_name: IMAGE };
      await broker().send(exchange, key, [JSON.stringify(broken)]);
      await eventually(
        () => broker().ready(DEAD_LETTERS),
        (n) => n === (javaScript ? 2 : 3),
      );
      const page = await open({ javaScript, cookies });
      await page.goto('/dead-letters?reason=invalid_shape');
      await leaveBy(page, page.locator('main a[href^="/dead-letters/"]:has(code)').first());
      await expectHarmless(page);
      await page.goto('/dead-letters?reason=failed');
      await leaveBy(page, page.locator('main a[href^="/dead-letters/"]:has(code)').first());
      await expectHarmless(page);
      await follow(page, /^Replay/);
      await page.getByLabel('Reason').fill('The database is back');
      await press(page, 'Replay 1 message');
      expect(await text(page)).toMatch(/1 .*replayed/);
      await eventually(() => contactOf(`replayed-${mode}@mail.test`), Boolean);
    });

    it('erases a reader once an address is typed again', async () => {
      const address = `gone-${mode}@mail.test`;
      await apply(data.db, signup(address, ['x'], 1));
      const page = await open({ javaScript, cookies });
      await find(page, address);
      await follow(page, /^Erase/);
      await page.getByLabel('Type an email address').fill('somebody-else@mail.test');
      await page.getByLabel('Reason').fill('Ticket 8');
      await press(page, /^Erase/);
      expect(await text(page)).toContain('does not have the address');
      await expectNoBarriers();
      await page.getByLabel('Type an email address').fill(address);
      await page.getByLabel('Reason').fill('Ticket 8');
      await press(page, /^Erase/);
      expect(await text(page)).toContain('was erased');
      expect(await contactOf(address)).toBeUndefined();
      await find(page, address);
      expect(await text(page)).toContain('was erased');
      await expectNoBarriers();
    });
  });

  it('is used with the keyboard alone', async () => {
    await apply(data.db, signup('keyboard', ['x'], 1));
    const page = await open();
    /** Presses Tab until an element with this name has the focus. */
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        await page.keyboard.press('Tab');
        const label = await page.evaluate<string>(FOCUSED);
        if (name.test(label.trim())) return;
      }
      throw new Error(`no Tab leads to ${name}`);
    };
    await page.goto('/');
    await tabTo(/^API key/);
    await page.keyboard.type(KEY);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter'); // past the sections
    await tabTo(/^Email address/);
    await page.keyboard.type('keyboard@mail.test');
    await tabTo(/^Find/);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/contacts/*');
    await tabTo(/^Opt out of all email/);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/opt-out');
    await tabTo(/^Reason/);
    await page.keyboard.type('Asked on the phone');
    await tabTo(/^Opt this reader out/);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/contacts/*?done=*');
    expect(await text(page)).toContain('opted out');
  });

  it('keeps nobody from using a page, and is harmless on each', async () => {
    await merge('stands', 'u-stands');
    const page = await open({ cookies });
    await find(page, 'stands@mail.test');
    const reader = new URL(page.url()).pathname;
    const visited = new Map<string, string[]>();
    const [widest] = await data.sql<{ seq: string }>(
      `SELECT seq FROM audit WHERE command = 'collisions resolve' LIMIT 1`,
    );
    const waiting = [reader, `/audit/${widest?.seq}`, '/', '/no-such-page'];
    for (let path = waiting.shift(); path; path = waiting.shift()) {
      const kind = kindOf(path);
      if (visited.has(kind)) continue;
      await page.goto(path);
      visited.set(kind, await window.barriers());
      expect(await page.locator('main img, main script').count()).toBe(0);
      const links = await page.locator('a[href^="/"]').evaluateAll((all) => all.map((it) => it.getAttribute('href')));
      waiting.push(...links.filter((link) => link !== null && !link.endsWith('.json')).map(String));
    }
    expect(Object.fromEntries([...visited].filter(([, barriers]) => barriers.length > 0))).toEqual({});
    expect([...visited.keys()]).toEqual(
      expect.arrayContaining(['/contacts/ID', '/contacts/ID/erase', '/merges', '/merges/ID/undo', '/dead-letters/ID']),
    );
  }, 300_000); // some twenty pages
});

/** What a screen reader calls the element that has the focus. */
const FOCUSED = `((it) => [...(it.labels?.length ? it.labels : [it])].map((label) => label.textContent).join())(document.activeElement)`;

/** Pages of the same kind differ only in ids, and in what is chosen of a list. */
const kindOf = (path: string): string =>
  path.replace(/[0-9a-f]{16,}|[0-9a-f]{8}-[0-9a-f-]{27}|\d+$/g, 'ID').replace(/\?(?!act=).*|&.*/, '');
