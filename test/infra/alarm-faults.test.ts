import { describe, expect, it } from '@jest/globals';
import { DEAD_LETTERS, NEWSLETTER_EVENTS, NEWSLETTER_QUEUE } from '../../src/rabbitmq/names';
import { until } from '../support/broker';
import { withWorld } from './trial';
import type { World } from './world';

const { trial, inWorld } = withWorld();

const LIMIT_MS = 120_000;

describe('the broker blocks publishers', () => {
  const alarm = ({ broker }: World): Promise<string> => broker.ctl('set_vm_memory_high_watermark', '0');
  const noAlarm = ({ broker }: World): Promise<string> => broker.ctl('set_vm_memory_high_watermark', '0.6');

  /** One in a hundred of the messages that the service finds in its queue is malformed. */
  const MALFORMED = 60;
  /** @returns the addresses of the others */
  async function mixedBehindAlarm(world: World): Promise<string[]> {
    world.brokerSwitch.down();
    const good: string[] = [];
    for (let times = 0; times < 10; times++) good.push(...(await world.publish(600)), ...(await malformed(world)));
    await alarm(world);
    world.brokerSwitch.restore();
    return good;
  }
  async function malformed(world: World): Promise<[]> {
    const message = { exchange: NEWSLETTER_EVENTS, key: 'newsletter.subscribe', body: 'not JSON' };
    const messages = Array.from({ length: MALFORMED / 10 }, () => message);
    expect(await world.send(messages)).not.toContain(false);
    return [];
  }

  it('a memory alarm does not stop what needs no publishing; malformed messages wait, and are dead letters afterwards', async () => {
    let good: string[] = [];
    let before = 0;
    await trial({
      fault: 'Memory alarm',
      async cause(world) {
        before = await world.messagesIn(DEAD_LETTERS);
        good = await mixedBehindAlarm(world);
      },
      red: /block|alarm/,
      metric: {
        name: 'onecontact_broker_blocked',
        is: (value) => (value ?? 0) > 0,
        text: '`onecontact_broker_blocked` 1',
      },
      events: 0,
      meanwhile: (world) => world.handled(good),
      endedBy: 'the alarm cleared',
      end: noAlarm,
      repaired: (world) => until(async () => (await world.messagesIn(DEAD_LETTERS)) === before + MALFORMED, LIMIT_MS),
    });
  });

  it('a process that is stopped during the alarm ends in time, and the next one dead-letters all that waited', async () => {
    await inWorld(async (world) => {
      const before = await world.messagesIn(DEAD_LETTERS);
      await world.handled(await mixedBehindAlarm(world));
      expect(await world.service.stop()).toBe(0);
      // The broker counts the messages of a queue every few seconds.
      await until(async () => (await world.messagesIn(NEWSLETTER_QUEUE)) === MALFORMED, LIMIT_MS);
      world.service.start();
      await noAlarm(world);
      await until(async () => (await world.messagesIn(DEAD_LETTERS)) >= before + MALFORMED, LIMIT_MS);
      await until(async () => (await world.messagesIn(NEWSLETTER_QUEUE)) === 0, LIMIT_MS);
    });
  });
});
