/** `npm run screenshots`: see {@link HELP}. */
import { mkdir, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pino from 'pino';
import type { Locator, Page } from 'playwright-core';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { startService } from '../../src/main';
import { openDatabase } from '../../src/postgres/database';
import { migrate } from '../../src/postgres/migrations/migrate';
import { NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { SERVICE_PARTS } from '../../src/service/parts';
import { accountMade, makeUid, primaryChanged, type Sent, signUp, unsubscribe } from '../demo/messages';
import { type Stage, setStage } from '../demo/stage';
import { optionsOrExit } from '../options';
import { startServices } from '../services';
import { launchChromium } from './launch';

const HELP = `npm run screenshots

Takes the pictures of the console that stand in the docs, and writes them to
docs/images. Starts a private RabbitMQ, PostgreSQL and service, publishes the
events of a reader, and ends everything afterwards.

The browser is the installed Chromium, or one that is downloaded once.`;

const FOLDER = resolve(__dirname, '../../docs/images');
const WIDTH = 1_200;
/** Above what a picture begins with. */
const MARGIN = 24;
/** Pages load quickly and the repository stays small. */
const MOST_BYTES = 150_000;

const OPERATOR = { header: 'X-Forwarded-User', name: 'kim@staff.example' };
const HOME = 'ada@home.example';
const WORK = 'ada@work.example';

const log = (line: string): void => void process.stdout.write(`${line}\n`);
const silent = pino({ level: 'silent' });

/** Ada's account has one address, and she reads newsletters at another: then it becomes that of the account. */
async function publishEvents(stage: Stage): Promise<void> {
  const ada = makeUid();
  await stage.send(accountMade(ada, HOME));
  await stage.send(signUp(HOME, 'product-news'));
  await stage.contact(
    { account: ada },
    'the contact of the account',
    ({ newsletters }) => 'product-news' in newsletters,
  );
  await stage.send(named(signUp(WORK, 'privacy-weekly', 'product-news')));
  await stage.contact({ email: WORK }, 'the contact of the sign-up');
  await stage.send(unsubscribe(WORK, 'product-news'));
  await stage.contact(
    { email: WORK },
    'the unsubscription',
    ({ newsletters }) => newsletters['product-news']?.state === 'unsubscribed',
  );
  await stage.send(primaryChanged(ada, WORK));
  await stage.contact({ account: ada }, 'the merge', ({ addresses }) => addresses.length === 2);
}

const named = (message: Sent): Sent => ({
  ...message,
  body: { ...message.body, first_name: 'Ada', last_name: 'Byron', source_url: 'https://site.example/newsletters' },
});

/** What producers get wrong. */
function brokenMessages(): Sent[] {
  const { body } = signUp('ben@mail.example', 'privacy-weekly');
  const variants: Record<string, unknown>[] = [
    { newsletters: 'privacy-weekly' },
    { newsletters: 'privacy-weekly', email: 'cleo@mail.example' },
    { email: undefined },
    { email: 'dora at mail.example' },
    { ts: String(body.ts) },
    { event: 'newsletter.subscribed' },
  ];
  return variants.map((fields) => ({
    exchange: NEWSLETTER_EVENTS,
    routingKey: 'newsletter.subscribe',
    body: { ...body, ...fields },
    summary: 'a message that cannot be understood',
  }));
}

interface Picture {
  /** What is at the top; by default the page from its beginning. */
  from?: Locator;
  height: number;
}

async function take(page: Page, name: string, { from, height }: Picture): Promise<void> {
  const path = join(FOLDER, `console-${name}.png`);
  const top = from ? ((await from.boundingBox())?.y ?? 0) - MARGIN : 0;
  await page.screenshot({ path, fullPage: true, clip: { x: 0, y: top, width: WIDTH, height } });
  const { size } = await stat(path);
  log(`${relative(process.cwd(), path)}: ${Math.round(size / 1_000)} kB`);
  if (size > MOST_BYTES) throw new Error(`${path} has ${size} bytes, more than ${MOST_BYTES}: show less of the page`);
}

async function takeAll(page: Page): Promise<void> {
  await page.goto('/');
  await page.getByLabel('Email address').fill(WORK);
  await page.getByRole('button', { name: /^Find/ }).click();
  await take(page, 'reader', { height: 1_100 });
  await page.goto('/merges');
  await page.locator('main a[href^="/merges/"]').first().click();
  await take(page, 'merge', { from: page.getByRole('heading', { name: 'Side by side' }), height: 900 });
  await page.goto('/dead-letters');
  await take(page, 'dead-letters', { height: 900 });
}

async function main(): Promise<void> {
  optionsOrExit(HELP, (args) =>
    parseArgs({ args, options: { help: { type: 'boolean', short: 'h' } } }).values.help ? 'help' : {},
  );
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const services = await startServices({ log });
    closing.push(() => services.stop());
    await migrate(services.databaseUrl);
    const settings = {
      AMQP_URL: services.amqpUrl,
      DATABASE_URL: services.databaseUrl,
      HTTP_PORT: '0',
      CONSOLE_PORT: '0',
      CONSOLE_TRUST_HEADER: OPERATOR.header,
      ERASURE_KEY: 'only for the screenshots',
    };
    const only = [...SERVICE_PARTS, 'console'] as const;
    const service = await startService(readConfig(settings, SERVICE_NEEDS), { only, log: silent });
    closing.push(() => service.stop());
    const db = openDatabase({ url: services.databaseUrl, name: 'onecontact screenshots', max: 2 });
    closing.push(() => db.$disconnect());
    const { signal } = new AbortController();
    const stage = await setStage({ amqpUrl: services.amqpUrl, httpUrl: service.url, db, log: silent, signal });
    closing.push(() => stage.close());
    for (const message of brokenMessages()) await stage.send(message);
    await publishEvents(stage);
    const browser = await launchChromium({ log, env: process.env, durable: false });
    closing.push(() => browser.close());
    const page = await browser.newPage({
      baseURL: service.consoleUrl as string,
      colorScheme: 'light',
      viewport: { width: WIDTH, height: 800 },
      extraHTTPHeaders: { [OPERATOR.header]: OPERATOR.name },
    });
    await mkdir(FOLDER, { recursive: true });
    await takeAll(page);
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
