import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import pino from 'pino';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import { encode } from '../../src/intake/encode';
import { startService } from '../../src/main';
import { decode } from '../../src/messages/incoming/decode';
import { connect } from '../../src/rabbitmq/amqplib';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { AUDIENCE, claimsOf, ISSUER, type Issuer, startIssuer, TYPE } from '../issuer';
import { parseCounters } from '../prometheus';
import type { Random } from '../random';
import { Memory } from './memory';
import { fuzzMessages } from './messages';
import { count } from './tally';

export interface IntakeRun {
  /** By route and status. */
  answers: Map<string, number>;
  /** Messages that the queues received. */
  received: Map<string, number>;
  problems: string[];
  memory: Memory;
}

export interface IntakeRunOptions {
  amqpUrl: string;
  random: Random;
  /** Requests. */
  count: number;
  onProgress?: (done: number, memory: Memory) => void;
}

interface FuzzRequest {
  path: '/events/newsletter' | '/events/account';
  headers: Record<string, string>;
  body: Buffer;
  /** The statuses that are right for it; undefined: any that a client's fault can have. */
  expected?: readonly number[] | undefined;
}

const AT_ONCE = 16;
const SAMPLE_EVERY = 5_000;
const PATIENCE_MS = 60_000;
/** Never 500. 503 is for key ids that were asked for a moment ago. */
const CLIENT_FAULTS = [200, 202, 400, 403, 413, 415, 503];
const JSON_TYPE = { 'content-type': 'application/json' };
const TOKEN_TYPE = { 'content-type': 'application/secevent+jwt' };

/**
 * Sends good, damaged and random requests to both endpoints for events. No answer may be a fault of the service, a message that the
 * decoder understands must be taken, whatever is taken must reach its queue and be understood there, and of tokens only those
 * that the issuer signed.
 */
export async function fuzzIntake({ amqpUrl, random, count: wanted, onProgress }: IntakeRunOptions): Promise<IntakeRun> {
  const run: IntakeRun = { answers: new Map(), received: new Map(), problems: [], memory: new Memory() };
  const issuer = await startIssuer();
  for (const kid of ['k1', 'k2']) await issuer.addKey(kid, { alg: 'ES256', published: kid === 'k1' });
  const settings = {
    ...{ AMQP_URL: amqpUrl, HTTP_PORT: '0', DATABASE_URL: 'postgresql://unused@127.0.0.1:1/unused' },
    ...{ ACCOUNTS_ISSUER: ISSUER, ACCOUNTS_AUDIENCE: AUDIENCE, ACCOUNTS_JWKS_URL: issuer.url },
  };
  const service = await startService(readConfig(settings, SERVICE_NEEDS), {
    log: pino({ level: 'silent' }),
    only: ['intake'],
  });
  const connection = await connect(amqpUrl);
  try {
    const signed = new Set<unknown>();
    const channel = await connection.createChannel();
    await consume(channel, run, signed);
    const requests = fuzzRequests(random, issuer, signed);
    let taken = 0;
    const send = async (): Promise<void> => {
      const { path, headers, body, expected = CLIENT_FAULTS } = (await requests.next()).value;
      const answer = await fetch(`${service.url}${path}`, { method: 'POST', headers, body: new Uint8Array(body) });
      const text = await answer.text();
      count(run.answers, `${path} ${answer.status}`);
      if (path === '/events/newsletter' && answer.status === 202) taken += JSON.parse(text).events.length;
      if (!expected.includes(answer.status)) {
        run.problems.push(`${path} answered ${answer.status}: ${body.toString('base64').slice(0, 500)}`);
      }
    };
    for (let done = 0; done < wanted && run.problems.length === 0; ) {
      const together = Math.min(AT_ONCE, wanted - done);
      await Promise.all(Array.from({ length: together }, send));
      const before = done;
      done += together;
      if (Math.floor(done / SAMPLE_EVERY) === Math.floor(before / SAMPLE_EVERY) && done < wanted) continue;
      run.memory.sample(done);
      onProgress?.(done, run.memory);
    }
    const tokens = await publishedTokens(service.url);
    await untilReceived(
      run,
      new Map([
        [NEWSLETTER_QUEUE, taken],
        [FXA_QUEUE, tokens],
      ]),
    );
    if (!(await service.stop())) run.problems.push('the service did not stop in time');
  } finally {
    await service.stop();
    await connection.close();
    await issuer.close();
  }
  return run;
}

/** Both queues, each message as a worker would see it. */
async function consume(channel: Channel, run: IntakeRun, signed: ReadonlySet<unknown>): Promise<void> {
  for (const [queue, source] of [
    [NEWSLETTER_QUEUE, 'newsletter'],
    [FXA_QUEUE, 'fxa'],
  ] as const) {
    await channel.consume(
      queue,
      (message) => {
        if (message === null) return;
        count(run.received, queue);
        const { kind } = decode(source, message.content, { now: Date.now() });
        if (kind !== 'event') run.problems.push(`${queue} has a message that is ${kind}`);
        if (source === 'fxa' && !signed.has(JSON.parse(message.content.toString()).jti)) {
          run.problems.push('a token reached the broker that the issuer did not sign');
        }
      },
      { noAck: true },
    );
  }
}

async function publishedTokens(url: string): Promise<number> {
  const counters = parseCounters(await (await fetch(`${url}/metrics`)).text());
  const isTheirs = ({ name, labels }: (typeof counters)[number]): boolean =>
    name === 'onecontact_intake_requests_total' && labels.route === '/events/account' && labels.outcome === 'published';
  return counters.find(isTheirs)?.value ?? 0;
}

async function untilReceived(run: IntakeRun, expected: ReadonlyMap<string, number>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  const differ = (): string[] =>
    [...expected].flatMap(([queue, n]) => {
      const received = run.received.get(queue) ?? 0;
      return received === n ? [] : [`${queue} received ${received} of ${n} messages that were taken`];
    });
  while (differ().length > 0 && performance.now() < end) await delay(20);
  run.problems.push(...differ());
}

async function* fuzzRequests(random: Random, issuer: Issuer, signed: Set<unknown>): AsyncGenerator<FuzzRequest, never> {
  const messages = fuzzMessages(random);
  for (;;) {
    const request = random.chance(0.7) ? newsletterRequest() : await accountRequest(random, issuer, signed);
    if (random.chance(1 / 50)) spoil(request, random);
    yield request;
  }

  function newsletterRequest(): FuzzRequest {
    const path = '/events/newsletter';
    const dice = random.below(100);
    if (dice < 50) {
      const { content } = messages.next().value;
      const isUnderstood = decode('newsletter', content, { now: Date.now() }).kind === 'event';
      return { path, headers: { ...JSON_TYPE }, body: content, ...(isUnderstood && { expected: [202, 403] }) };
    }
    const many = dice < 95 ? random.below(8) : 490 + random.below(20);
    const contents = Array.from({ length: many }, () => messages.next().value.content);
    const list = contents.flatMap((content, index) => [...(index > 0 ? [Buffer.from(',')] : []), content]);
    return { path, headers: { ...JSON_TYPE }, body: Buffer.concat([Buffer.from('['), ...list, Buffer.from(']')]) };
  }
}

async function accountRequest(random: Random, issuer: Issuer, signed: Set<unknown>): Promise<FuzzRequest> {
  const path = '/events/account';
  const claims = claimsOf({ [TYPE + random.pick(['profile-change', 'delete-user', 'x'])]: { email: 'ada@mail.test' } });
  const odd = random.chance(0.5);
  if (odd) claims[random.pick(['iss', 'aud', 'sub', 'iat', 'jti', 'exp', 'nbf', 'events'])] = oddValue(random);
  const isTheirs = random.chance(0.8);
  let token = await issuer.sign(JSON.parse(encode(claims).toString()), { kid: isTheirs ? 'k1' : 'k2' });
  const isWhole = random.chance(0.7);
  if (isWhole && isTheirs) signed.add(claims.jti);
  if (!isWhole) token = damaged(token, random);
  const expected = isWhole && isTheirs && !odd ? [200, 202] : isWhole ? undefined : [400, 503];
  return random.chance(0.5)
    ? { path, headers: { ...TOKEN_TYPE }, body: Buffer.from(token), expected }
    : {
        path,
        headers: { authorization: `Bearer ${token.replace(/[^\x21-\x7e]/g, '') || 'x'}` },
        body: Buffer.alloc(0),
        expected,
      };
}

const oddValue = (random: Random): unknown =>
  random.pick<unknown>([
    null,
    '',
    0,
    -1,
    1e308,
    true,
    [],
    {},
    { toString: 1 },
    'x'.repeat(3_000),
    Date.now(),
    { [`${TYPE}profile-change`]: 7 },
  ]);

/** Its signature, or what it signs, is not that of the issuer any more. */
function damaged(token: string, random: Random): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return random.pick([
    `${header}.${text({ ...claimsOf(), jti: 'forged' })}.${signature}`,
    `${text({ alg: 'none' })}.${payload}.`,
    `${text({ alg: 'HS256', kid: 'k1' })}.${payload}.${signature}`,
    `${text({ alg: 'ES256', kid: random.below(1_000) })}.${payload}.${signature}`,
    `${header}.${payload}.${signature.slice(0, -8)}`,
    `${header}.${payload}`,
    Array.from({ length: random.below(200) }, () => String.fromCharCode(33 + random.below(94))).join(''),
  ]);
}

/** What a broken client or proxy does to a request. */
function spoil(request: FuzzRequest, random: Random): void {
  request.expected = undefined;
  const kind = random.below(5);
  if (kind === 0)
    request.headers['content-type'] = random.pick([
      'text/plain',
      'application/jsonx',
      'x',
      'application/json; charset=x',
    ]);
  else if (kind === 1) request.headers['content-encoding'] = 'gzip';
  else if (kind === 2) request.headers.traceparent = random.pick(['00-0-0-00', 'x'.repeat(500)]);
  else if (kind === 3)
    request.body = Buffer.alloc(random.pick([0, 20_000, 1_100_000]), random.pick(['[', '{"a":', '1', 'é']));
  else request.body = Buffer.from(Array.from({ length: random.below(300) }, () => random.below(256)));
}
