import { afterEach, describe, expect, it } from '@jest/globals';
import { type BrokerConnection, openConnection } from '../../../src/rabbitmq/connection';
import {
  DEAD_LETTERS,
  FXA_EVENTS,
  FXA_QUEUE,
  NEWSLETTER_EVENTS,
  NEWSLETTER_QUEUE,
  UNROUTED,
} from '../../../src/rabbitmq/names';
import { Publisher } from '../../../src/rabbitmq/publishing/publisher';
import { UnroutedDrain } from '../../../src/rabbitmq/topology/unrouted-drain';
import { silent, until, withBroker } from '../../support/broker';

const broker = withBroker();

describe('the drain of unrouted messages', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await broker().freshTopology();
  });

  async function open(): Promise<BrokerConnection> {
    const connection = await openConnection({ url: broker().url, name: 'test', log: silent });
    closing.push(() => connection.close());
    return connection;
  }

  async function start() {
    const recovered: string[] = [];
    const publisher = new Publisher({ connection: await open(), log: silent });
    closing.push(() => publisher.close());
    const drain = new UnroutedDrain({
      connection: await open(),
      publisher,
      log: silent,
      onRecovered: (queue) => void recovered.push(queue),
    });
    closing.push(() => drain.stop());
    return { drain, recovered };
  }

  /** What the policy does, without a policy: the queue gets what the work queues do not. */
  async function divert(): Promise<void> {
    const channel = await broker().channel();
    for (const [exchange, queue] of [
      [FXA_EVENTS, FXA_QUEUE],
      [NEWSLETTER_EVENTS, NEWSLETTER_QUEUE],
    ] as const) {
      await channel.bindQueue(UNROUTED, exchange, '#');
      await channel.unbindQueue(queue, exchange, '#');
    }
  }

  it('moves each message to the queue of the exchange that it was published to', async () => {
    await divert();
    await broker().send(FXA_EVENTS, 'login', ['account']);
    await broker().send(NEWSLETTER_EVENTS, 'newsletter.subscribe', ['sign-up'], { messageId: 'id-1' });
    const { recovered } = await start();
    expect((await broker().next(FXA_QUEUE)).content.toString()).toBe('account');
    const signUp = await broker().next(NEWSLETTER_QUEUE);
    expect(signUp.content.toString()).toBe('sign-up');
    expect(signUp.properties.messageId).toBe('id-1');
    await until(() => recovered.length === 2);
    expect(recovered.sort()).toEqual([FXA_QUEUE, NEWSLETTER_QUEUE]);
  });

  it('leaves out headers under our own names, which would count as ours behind the default exchange', async () => {
    await divert();
    const forged = { attempts: 3, waits: 2, reason: 'failed', 'first-seen': '2020-01-01T00:00:00.000Z' };
    await broker().send(FXA_EVENTS, 'login', ['x'], { headers: { ...forged, theirs: 'kept' } });
    await start();
    const { 'x-delivery-count': _, ...headers } = (await broker().next(FXA_QUEUE)).properties.headers ?? {};
    expect(headers).toEqual({ theirs: 'kept' });
  });

  it('makes a message from another exchange a dead letter that names it', async () => {
    await start();
    await broker().send(UNROUTED, 'contact.merged', ['misled']);
    const letter = await broker().next(DEAD_LETTERS);
    expect(letter.content.toString()).toBe('misled');
    expect(letter.properties.headers).toMatchObject({
      reason: 'unknown_exchange',
      error: 'contacts.unrouted received the message from the exchange contacts.unrouted',
    });
  });

  it('keeps messages until their queue takes them', async () => {
    await divert();
    await broker().deleteQueue(FXA_QUEUE);
    const { drain, recovered } = await start();
    await until(() => drain.problems().length === 0);
    await broker().send(FXA_EVENTS, 'login', ['x']);
    await until(async () => (await broker().ready(UNROUTED)) === 0);
    await drain.stop();
    await until(async () => (await broker().ready(UNROUTED)) === 1);
    expect(recovered).toEqual([]);
    await broker().freshTopology();
  });
});
