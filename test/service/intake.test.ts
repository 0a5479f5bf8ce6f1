/** Events over HTTP, through the whole service to the contact that readers see. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { type Service, startService } from '../../src/main';
import { AUDIENCE, claimsOf, ISSUER, type Issuer, startIssuer, TYPE } from '../../tools/issuer';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { silent, until, withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { uidOf } from '../support/events';
import { brokerSource, canStartBroker, withPrivateBroker } from '../support/private-broker';
import { config, eventually, get, startOn } from '../support/service';

const post = (url: string, path: string, body: string, type = 'application/json') =>
  fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': type }, body });
const signUp = (url: string, email: string, more: object = {}) =>
  post(
    url,
    '/events/newsletter',
    JSON.stringify({ event: 'newsletter.subscribe', email, newsletters: ['x'], ...more }),
  );
const byEmail = (service: Service, email: string) => get(service, `/contacts/by-email/${email}`);

describe('events over HTTP', () => {
  const broker = withBroker();
  let database: TestDatabase;
  let issuer: Issuer;
  let service: Service;
  let rabbit: TcpProxy;
  let postgres: TcpProxy;

  beforeAll(async () => {
    database = await freshDatabase();
    issuer = await startIssuer();
    await issuer.addKey('k1');
    [rabbit, postgres] = [await TcpProxy.to(broker().url), await TcpProxy.to(database.url)];
    const env = {
      ...{ AMQP_URL: rabbit.through(broker().url), DATABASE_URL: postgres.through(database.url), HTTP_PORT: '0' },
      ...{ ACCOUNTS_ISSUER: ISSUER, ACCOUNTS_AUDIENCE: AUDIENCE, ACCOUNTS_JWKS_URL: issuer.url },
    };
    service = await startService(readConfig(env, SERVICE_NEEDS), { log: silent });
  });
  afterAll(async () => {
    await service?.stop();
    await rabbit?.close();
    await postgres?.close();
    await issuer?.close();
    await database?.drop();
  });

  const contact = async (email: string) =>
    (
      await eventually(
        () => byEmail(service, email),
        ({ status }) => status === 200,
      )
    ).body;

  it('a sign-up becomes a contact, and the same sign-up sent again changes nothing', async () => {
    const first = await signUp(service.url, 'ada@mail.test');
    const [{ ts }] = ((await first.json()) as { events: [{ ts: number }] }).events;
    const before = await contact('ada@mail.test');
    expect(before.newsletters).toMatchObject({ x: { state: 'subscribed' } });
    expect((await signUp(service.url, 'ada@mail.test', { ts })).status).toBe(202);
    await signUp(service.url, 'ben@mail.test');
    await contact('ben@mail.test');
    expect(await contact('ada@mail.test')).toEqual(before);
  });

  it('a token of the account provider gives its account the address, and a replay of it changes nothing', async () => {
    const token = await issuer.sign(claimsOf({ [`${TYPE}profile-change`]: { email: 'ada@mail.test' } }));
    const push = () => post(service.url, '/events/account', token, 'application/secevent+jwt');
    expect((await push()).status).toBe(202);
    const claimed = await eventually(
      () => byEmail(service, 'ada@mail.test'),
      ({ body }) => body.account_id === uidOf('u1'),
    );
    expect((await push()).status).toBe(202);
    await signUp(service.url, 'cleo@mail.test');
    await contact('cleo@mail.test');
    expect((await byEmail(service, 'ada@mail.test')).body).toEqual(claimed.body);
  });

  it('sign-ups are taken while the database is away', async () => {
    postgres.down();
    expect((await signUp(service.url, 'dora@mail.test')).status).toBe(202);
    postgres.restore();
    await contact('dora@mail.test');
  });

  it('sign-ups are answered 503 while the broker is away, and the health check says so', async () => {
    rabbit.down();
    const away = await eventually(
      async () => {
        const answer = await signUp(service.url, 'eve@mail.test');
        return { status: answer.status, retryAfter: answer.headers.get('retry-after') };
      },
      ({ status }) => status === 503,
    );
    expect(away.retryAfter).toBe('2');
    const { body } = await get(service, '/__heartbeat__');
    expect(body.checks).toMatchObject({ intake: 'error', accounts: 'ok' });
    rabbit.restore();
    await until(async () => (await signUp(service.url, 'eve@mail.test')).status === 202);
    await contact('eve@mail.test');
  });

  it('an account provider whose keys cannot be read is named by the health check', async () => {
    issuer.answers((_request, response) => void response.writeHead(500).end());
    const env = {
      ...{ AMQP_URL: broker().url, HTTP_PORT: '0', ACCOUNTS_ISSUER: ISSUER, ACCOUNTS_AUDIENCE: AUDIENCE },
      ...{ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none', ACCOUNTS_JWKS_URL: issuer.url },
    };
    const other = await startService(readConfig(env, SERVICE_NEEDS), { log: silent, only: ['intake'] });
    try {
      const { body } = await eventually(
        () => get(other, '/__heartbeat__'),
        ({ status }) => status === 500,
      );
      expect(Object.keys(body.checks as object).sort()).toEqual(['accounts', 'intake', 'service', 'topology']);
      expect(JSON.stringify(body.details)).toContain('check ACCOUNTS_JWKS_URL');
    } finally {
      issuer.answers();
      await other.stop();
    }
  });

  it('sign-ups in flight at a stop are answered, and those with 202 become contacts', async () => {
    const stopping = await startOn(broker(), database);
    const answers = Array.from({ length: 20 }, (_, n) => signUp(stopping.url, `last${n}@mail.test`));
    await answers[0];
    await stopping.stop();
    const statuses = await Promise.all(answers.map((answer) => answer.then(({ status }) => status)));
    for (const [n, status] of statuses.entries()) if (status === 202) await contact(`last${n}@mail.test`);
    expect(statuses.filter((status) => status !== 202 && status !== 503)).toEqual([]);
  });
});

(canStartBroker ? describe : describe.skip)(`while the broker blocks publishing (${brokerSource})`, () => {
  const server = withPrivateBroker();

  it('events over HTTP are answered 503, and are taken once it ends', async () => {
    const settings = config({ amqpUrl: server().broker.url, databaseUrl: 'postgresql://nobody@127.0.0.1:1/none' });
    const service = await startService(settings, { log: silent, only: ['intake'] });
    try {
      await server().alarm(true);
      // The broker tells of an alarm to a connection that publishes.
      await until(async () => (await signUp(service.url, 'ada@mail.test')).status === 503, 60_000);
      await server().alarm(false);
      await until(async () => (await signUp(service.url, 'ada@mail.test')).status === 202, 60_000);
    } finally {
      await server().alarm(false);
      await service.stop();
    }
  });
});
