/**
 * Personal data must not leak. Runs the whole service at log level trace under traffic of every kind and every failure that
 * can be forced, then searches everything it wrote. All personal data here contains one word, or is a token or an IP address
 * reserved for examples.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { type Service, startService } from '../../src/main';
import { DEAD_LETTER_REASONS } from '../../src/messages/incoming/decoded';
import { makeLog } from '../../src/observability/log';
import {
  CONTACT_EVENTS,
  DEAD_LETTERS,
  FXA_EVENTS,
  MAILER_QUEUE,
  NEWSLETTER_EVENTS,
  NEWSLETTER_QUEUE,
  RETRY_DELAYS,
  retryQueue,
} from '../../src/rabbitmq/names';
import { declareAll } from '../../src/rabbitmq/topology/topology';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { type Answer, type AskOptions, ask } from '../http/ask';
import { type TestBroker, until, withBroker } from '../support/broker';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { at, signup } from '../support/events';
import { config, eventually } from '../support/service';
import { apply } from '../support/stored';

/** Part of every address, name and remark. Searched as text, as hexadecimal bytes, and as a logged buffer. */
const WORD = 'lovelace';
const BYTES = Buffer.from(WORD);
const UID = 'add1e0ad'.repeat(4);
const UNKNOWN_TOKEN = 'add1e0ad-0000-4000-8000-000000000000';
const API_KEY = 'the-key-of-ada-lovelace';
const address = (name: string): string => `${name}.Lovelace@Lovelace.test`;
const key = (name: string): string => address(name).toLowerCase();

const PERSONAL = [WORD, BYTES.toString('hex'), BYTES.join(','), 'add1e0ad', '203.0.113.'];
const holdsPersonal = (text: string, others: readonly string[] = []): boolean =>
  [...PERSONAL, ...others].some((mark) => text.toLowerCase().includes(mark));

/** Superfluous fields of every message, which must not get anywhere. */
const EXTRA = {
  ip: '203.0.113.7',
  userAgent: 'Lovelace/1.0',
  metricsContext: { flowId: 'lovelace' },
  'lovelace@lovelace.test': 'Lovelace',
};
const sub = (name: string, fields: object = {}, event = 'newsletter.subscribe') =>
  JSON.stringify({
    event,
    ts: at(1) / 1000,
    email: address(name),
    newsletters: ['x'],
    first_name: 'Ada Lovelace',
    last_name: 'Lovelace',
    source_url: `https://site.test/?email=${key(name)}`,
    reason: 'I am Ada Lovelace',
    ...EXTRA,
    ...fields,
  });
const acct = (name: string, t: number, fields: object = {}, event = 'primaryEmailChanged') =>
  JSON.stringify({ event, uid: UID, ts: at(t) / 1000, email: address(name), ...EXTRA, ...fields });

/** Bad messages for each reason of a dead letter. */
const RUBBISH: Record<(typeof DEAD_LETTER_REASONS)[number], [exchange: string, body: string][]> = {
  not_json: [
    [NEWSLETTER_EVENTS, `{"email":"${key('ada')}"`],
    [FXA_EVENTS, JSON.stringify({ Message: `${key('ada')} is no JSON`, MessageId: key('ada') })],
  ],
  too_large: [[NEWSLETTER_EVENTS, sub('ada', { pad: 'Lovelace'.repeat(40_000) })]],
  invalid_shape: [
    [NEWSLETTER_EVENTS, sub('ada', { first_name: { lovelace: 'Lovelace' }, newsletters: [7, 'Lovelace\u0007'] })],
    [NEWSLETTER_EVENTS, JSON.stringify([key('ada')])],
    [NEWSLETTER_EVENTS, JSON.stringify({ event: { [key('ada')]: 1 } })],
    [FXA_EVENTS, acct('ada', 1, { uid: 'lovelace@lovelace.test', locale: 7 })],
    [
      FXA_EVENTS,
      JSON.stringify({
        sub: UID,
        iat: at(1) / 1000,
        events: {
          'https://schemas.accounts.firefox.com/event/profile-change': { email: key('ada'), uid: key('ada') },
        },
      }),
    ],
  ],
  invalid_address: [
    [NEWSLETTER_EVENTS, sub('ada', { email: 'Ada Lovelace' })],
    [FXA_EVENTS, acct('ada', 1, { email: `${key('ada')}@lovelace` })],
  ],
  unknown_event: [[NEWSLETTER_EVENTS, sub('ada', {}, 'newsletter.lovelace')]],
  partial: [[NEWSLETTER_EVENTS, sub('rest', { newsletters: ['x', 'Lovelace\u0007'], last_name: ['Lovelace'] })]],
  invalid_time: [[FXA_EVENTS, acct('ada', 1, { ts: at(1) })]],
  unknown_token: [
    [NEWSLETTER_EVENTS, sub('ada', { email: undefined, token: UNKNOWN_TOKEN })],
    [NEWSLETTER_EVENTS, sub('ada', { email: undefined, token: 'token-of-lovelace' })],
  ],
};
/** Properties that a producer may set. */
const PROPERTIES = {
  messageId: 'lovelace@lovelace.test',
  type: 'lovelace',
  appId: 'lovelace',
  correlationId: 'lovelace',
  headers: { lovelace: 'lovelace', error: 'lovelace', reason: 'lovelace', CC: ['lovelace'] },
};

const broker = withBroker();
let database: TestDatabase;
let service: Service;
const proxies: TcpProxy[] = [];
const lines: string[] = [];
const answers: Answer[] = [];
/** Why messages were forwarded, by their headers. */
const reasons: string[] = [];
let tokens: string[] = [];
let metrics = '';

async function look(path: string, options: AskOptions = {}): Promise<Answer> {
  const headers = { authorization: `Bearer ${API_KEY}`, ...options.headers };
  const answer = await ask(service.url as string, path, { ...options, headers });
  answers.push(answer);
  return answer;
}
const byEmail = (name: string) => () => look(`/contacts/by-email/${encodeURIComponent(address(name))}`);
const found = ({ status }: Answer): boolean => status === 200;

/** Waits for messages in the queue, and removes them. */
async function take(queue: string, n = 1): Promise<void> {
  for (let i = 0; i < n; i++) {
    const { reason, error } = (await broker().next(queue)).properties.headers ?? {};
    if (queue !== MAILER_QUEUE) reasons.push(queue === DEAD_LETTERS ? `${reason}: ${error}` : `tried again: ${error}`);
  }
}
/** Runs a cause until the service has logged its effect: a lost queue may be declared again before the message comes. */
async function untilLogged(text: string, cause: () => unknown): Promise<void> {
  const before = lines.length;
  const isLogged = () => lines.slice(before).some((line) => line.includes(text));
  for (let attempt = 1; attempt <= 10; attempt++) {
    await cause();
    if (
      await until(isLogged, 5_000).then(
        () => true,
        () => false,
      )
    )
      return;
  }
  throw new Error(`not logged: ${text}`);
}
const newsletter = (...bodies: string[]) => broker().send(NEWSLETTER_EVENTS, 'lovelace', bodies, PROPERTIES);
const account = (...bodies: string[]) => broker().send(FXA_EVENTS, 'lovelace', bodies, PROPERTIES);

/** Sign-ups, an account, a merge, messages by token. */
async function readersComeAndGo(): Promise<void> {
  await account(acct('one', 1, { newsletters: ['in-account'], locale: 'de', service: 'lovelace' }, 'verified'));
  await newsletter(sub('two'), sub('Ümlaut', { email: 'ada@lovelace-ümlaut.test' }));
  await eventually(byEmail('one'), found);
  await eventually(byEmail('two'), found);
  await account(acct('two', 2));
  await take(MAILER_QUEUE);
  const { token } = (await database.sql<{ token: string }>('SELECT token FROM basket_token LIMIT 1'))[0] ?? {};
  await newsletter(
    sub('two', { email: undefined, token }, 'newsletter.unsubscribe'),
    sub('three', { all: true }, 'newsletter.unsubscribe'),
    sub('two', { optin: true }, 'newsletter.confirm'),
  );
  await eventually(byEmail('three'), found);
}

async function rubbishComes(to: TestBroker): Promise<void> {
  const all = Object.values(RUBBISH).flat();
  for (const [exchange, body] of all) await to.send(exchange, key('ada'), [body], PROPERTIES);
  await account(acct('ada', 1, {}, 'device:create'), acct('ada', 1, {}, key('ada')));
  await take(DEAD_LETTERS, all.length);
}

/** Errors whose text contains the address or the whole row. */
async function theDatabaseRefuses(): Promise<void> {
  await database.sql(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION E'refused:\\n    at %', NEW.address; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW WHEN (NEW.address LIKE 'refused%') EXECUTE FUNCTION refuse();
    CREATE UNIQUE INDEX one_mailbox ON email_address (split_part(address, '+', 1)) WHERE address LIKE 'unique%';
    ALTER TABLE email_address ADD CHECK (address NOT LIKE 'checked%')`);
  await newsletter(sub('unique.lovelace+1'));
  await eventually(byEmail('unique.lovelace+1'), found);
  const refused = ['refused', 'unique.lovelace+2', 'checked'];
  await newsletter(sub('before'), ...refused.map((name) => sub(name)), sub('after'));
  await take(retryQueue(RETRY_DELAYS[0]), refused.length);
  const { headers, ...rest } = PROPERTIES;
  const last = { ...rest, headers: { ...headers, attempts: RETRY_DELAYS.length } };
  await broker().send('', NEWSLETTER_QUEUE, [sub('refused2')], last);
  await take(DEAD_LETTERS);
}

/** Ends one session in the middle of a batch that another one blocks, then all sessions at once. */
async function sessionsAreEnded(postgres: TcpProxy): Promise<void> {
  const gate = new Client({ connectionString: database.url });
  await gate.connect();
  await gate.query('BEGIN');
  await gate.query('SELECT FROM email_address WHERE address = $1 FOR UPDATE', [key('two')]);
  await newsletter(sub('two', { first_name: 'Countess Lovelace' }));
  const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  const pids = () => database.sql(`SELECT pid ${waiting}`);
  await eventually(pids, (rows) => rows.length === 1);
  await untilLogged('batch failed', () => database.sql(`SELECT pg_terminate_backend(pid) ${waiting}`));
  await gate.query('COMMIT');
  await gate.end();
  postgres.cut();
  await newsletter(sub('four'));
  await eventually(byEmail('four'), found);
}

/** The connection is lost; then the dead-letter queue is missing, then the mailer's binding. */
async function theBrokerFails(rabbit: TcpProxy): Promise<void> {
  await untilLogged('broker connection lost', () => rabbit.cut());
  const channel = await broker().channel();
  await untilLogged('messages could not be forwarded', async () => {
    await broker().deleteQueue(DEAD_LETTERS);
    await newsletter(sub('ada', { email: 'Ada Lovelace' }));
  });
  await declareAll(channel);
  await take(DEAD_LETTERS);
  let t = 3;
  await untilLogged('notifications could not be published', async () => {
    await channel.unbindQueue(MAILER_QUEUE, CONTACT_EVENTS, 'contact.#');
    await account(acct(t % 2 === 1 ? 'three' : 'two', t));
    t += 1;
  });
  await declareAll(channel);
  await take(MAILER_QUEUE);
}

/** Events that are taken, malformed, forbidden, and forged. */
async function events(): Promise<void> {
  const sent = (path: string, type: string, body: string, more = {}) =>
    look(path, { method: 'POST', headers: { 'content-type': type, ...more }, body });
  const bodies = [
    sub('six'),
    `[${sub('six')}]`,
    sub('six', {}, 'newsletter.confirm'),
    sub('six', { email: 'Ada Lovelace' }),
  ];
  for (const body of [...bodies, '"Lovelace"', 'Lovelace', `["${'Lovelace'.repeat(200_000)}"]`]) {
    await sent('/events/newsletter', 'application/json', body, { traceparent: 'lovelace' });
    await sent('/events/newsletter', 'text/lovelace', body);
  }
  const claims = Buffer.from(JSON.stringify({ iss: 'lovelace', aud: 'lovelace', sub: UID })).toString('base64url');
  for (const token of ['Lovelace', `eyJhbGciOiJSUzI1NiIsImtpZCI6ImxvdmVsYWNlIn0.${claims}.bG92ZWxhY2U`]) {
    await sent('/events/account', 'application/secevent+jwt', token);
    await sent('/events/account', 'text/lovelace', '', { authorization: `Bearer ${token}` });
  }
}

/** Look-ups that succeed, that find nothing, that are invalid, and that find the database away. */
async function lookUps(postgres: TcpProxy): Promise<void> {
  const { contact_id: id, basket_token: token } = JSON.parse((await byEmail('two')()).body);
  const paths = [
    `/contacts/by-token/${token}`,
    `/contacts/by-account/${UID}`,
    `/contacts/${id}`,
    `/contacts/${id}/history`,
    `/contacts/by-token/${UNKNOWN_TOKEN}`,
    `/contacts/by-email/${key('nobody')}`,
    `/contacts/by-email/${key('two')}?email=${key('two')}`,
    '/contacts/by-email/Ada%20Lovelace',
    '/contacts/by-email/%zz-lovelace',
    `/contacts/by-email/${'lovelace'.repeat(300)}@lovelace.test`,
    `/contacts/by-lovelace/${key('two')}`,
    '/changes',
    `/changes?after=${key('two')}`,
    `/changes?${key('two')}=lovelace`,
    `/${key('two')}`,
  ];
  const wrong = { headers: { authorization: 'Bearer Lovelace', cookie: 'lovelace', 'x-forwarded-for': '203.0.113.7' } };
  for (const path of paths) {
    await look(path);
    await look(path, wrong);
    await look(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '"Lovelace"' });
  }
  await events();
  const { hostname, port } = new URL(service.url as string);
  const socket = connect(Number(port), hostname);
  socket.resume().end(`GET /contacts/by-email/${key('two')} lovelace\r\nlovelace\r\n\r\n`);
  await once(socket, 'close');
  postgres.down();
  await newsletter(sub('five'));
  await eventually(byEmail('two'), ({ status }) => status === 503);
  await eventually(
    () => look('/__heartbeat__'),
    ({ status }) => status === 500,
  );
  postgres.restore();
  await eventually(byEmail('five'), found);
}

describe('no address, name or token', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onecontact-keys-'));
  beforeAll(async () => {
    database = await freshDatabase();
    const [rabbit, postgres] = [await TcpProxy.to(broker().url), await TcpProxy.to(database.url)];
    proxies.push(rabbit, postgres);
    const urls = { amqpUrl: rabbit.through(broker().url), databaseUrl: postgres.through(database.url) };
    const log = makeLog('trace', { write: (line) => void lines.push(line) });
    // Console output of libraries counts as well.
    for (const method of ['debug', 'log', 'info', 'warn', 'error'] as const) {
      jest.spyOn(console, method).mockImplementation((...said) => void lines.push(format(...said)));
    }
    const apiKeysFile = join(folder, 'keys');
    writeFileSync(apiKeysFile, `support read,write ${API_KEY}`);
    const provider = {
      ...{ accountsIssuer: 'lovelace', accountsAudience: 'lovelace' },
      accountsJwksUrl: 'http://127.0.0.1:1/lovelace',
    };
    service = await startService({ ...config(urls), ...provider, apiKeysFile }, { log });

    await readersComeAndGo();
    await rubbishComes(broker());
    await theDatabaseRefuses();
    await sessionsAreEnded(postgres);
    await theBrokerFails(rabbit);
    await lookUps(postgres);
    tokens = (await database.sql<{ token: string }>('SELECT token::text FROM basket_token')).map(({ token }) => token);
    metrics = (await look('/metrics')).body;
    expect(await service.stop()).toBe(true);
  }, 120_000);
  afterAll(async () => {
    jest.restoreAllMocks();
    await service?.stop();
    for (const proxy of proxies) await proxy.close();
    await database?.drop();
    rmSync(folder, { recursive: true });
  });

  it('is in any log line, whatever was received and whatever failed', () => {
    for (const said of [
      'batch failed',
      'contacts merged',
      'request failed',
      'broker connection lost',
      'messages could not be forwarded',
      'messages dead-lettered',
      'messages failed, retrying later',
      'notifications could not be published',
      '"code":"23505"',
      '"code":"23514"',
      '"code":"P0001"',
    ]) {
      expect(lines.some((line) => line.includes(said)) ? '' : `not logged: ${said}`).toBe('');
    }
    expect(tokens.length).toBeGreaterThan(5);
    expect(lines.filter((line) => holdsPersonal(line, tokens))).toEqual([]);
  });

  it('is in any metric or its labels', () => {
    for (const reason of [...DEAD_LETTER_REASONS, 'device:create', 'other', 'P0001', '23505', '23514']) {
      expect(metrics).toContain(`type="${reason}"`);
    }
    expect(metrics).toMatch(/onecontact_merges_total\{[^}]*\} 2/);
    expect(metrics.split('\n').filter((line) => holdsPersonal(line, tokens))).toEqual([]);
  });

  it('is in the reason or the error of any forwarded message', () => {
    const kinds = new Set(reasons.map((reason) => reason.split(':')[0]));
    expect([...kinds].sort()).toEqual([...DEAD_LETTER_REASONS, 'failed', 'tried again'].sort());
    expect(reasons.filter((reason) => holdsPersonal(reason, tokens))).toEqual([]);
  });

  it('is in the headers of any HTTP answer, or in a body other than a contact', () => {
    const statuses = new Set(answers.map(({ status }) => status));
    expect([...statuses].sort()).toEqual([200, 202, 400, 401, 403, 404, 413, 415, 500, 503]);
    const visible = answers.map(({ status, headers, body }) => JSON.stringify(headers) + (status === 200 ? '' : body));
    expect(visible.filter((text) => holdsPersonal(text, tokens))).toEqual([]);
  });
});

describe.each([
  ['on one line', `${key('ada')} of Ada Lovelace`],
  ['on a line that looks like a stack frame', `\n    at ${key('ada')} (Ada Lovelace)`],
])('an error whose text contains an address %s', (_, personal) => {
  it('does not reveal it in the log, however it is logged', () => {
    const error = Object.assign(new Error(personal, { cause: new Error(personal) }), { detail: personal });
    const written: string[] = [];
    const log = makeLog('trace', { write: (line) => void written.push(line) });
    for (const logger of [log, log.child({ queue: 'x' }), log.child({ err: error })]) {
      logger.error(error);
      logger.error(error, 'with a message');
      logger.warn({ err: error }, 'as err');
      logger.fatal({ error }, 'as error');
      logger.debug({ err: personal }, 'no error at all');
    }
    expect(written).toHaveLength(15);
    expect(written.filter((line) => holdsPersonal(line))).toEqual([]);
  });

  it.each(['P0001', '23505', '42501', '53100'])('does not reveal it in the output of a command: %s', async (code) => {
    const data = await freshDatabase();
    await apply(data.db, signup(address('ada'), ['x'], 1));
    await data.sql(`
      CREATE FUNCTION refuse() RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION USING ERRCODE = '${code}', MESSAGE = '${personal}', DETAIL = '${personal}'; END $$;
      ALTER TABLE email_address RENAME TO kept;
      CREATE VIEW email_address AS SELECT * FROM kept WHERE refuse()`);
    await expect(data.sql('SELECT * FROM email_address')).rejects.toThrow(personal);
    for (const command of [
      ['show', key('ada')],
      ['show', '--json', key('ada')],
      ['export'],
      ['export', '--canonical'],
    ]) {
      const { code: exit, out, err } = await onecontact(command, { DATABASE_URL: data.url });
      expect([exit, out, holdsPersonal(err) ? err : '']).toEqual([1, '', '']);
      expect(err).toContain(code);
    }
    await data.drop();
  });
});
