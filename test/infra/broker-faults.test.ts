import { describe, expect, it } from '@jest/globals';
import {
  CONTACT_EVENTS,
  DEAD_LETTERS,
  FXA_EVENTS,
  FXA_QUEUE,
  MAILER_QUEUE,
  NEWSLETTER_EVENTS,
  NEWSLETTER_QUEUE,
  RETRY_DELAYS,
  RETRY_EXCHANGE,
  retryQueue,
} from '../../src/rabbitmq/names';
import { until } from '../support/broker';
import { startRabbitMq } from '../support/infra';
import { type Fault, withWorld } from './trial';
import { PASSWORD, USER, type World } from './world';

const { trial } = withWorld();

const LIMIT_MS = 120_000;

const listed = async ({ broker }: World, kind: 'queues' | 'exchanges', ...columns: string[]) =>
  JSON.parse(await broker.ctl(`list_${kind}`, '--formatter', 'json', 'name', ...columns)) as {
    name: string;
    consumers?: number;
  }[];
const exists = (kind: 'queues' | 'exchanges', name: string) => (world: World) =>
  until(async () => (await listed(world, kind)).some((it) => it.name === name), LIMIT_MS);
const isConsumed = (queue: string) => (world: World) =>
  until(async () => {
    const found = (await listed(world, 'queues', 'consumers')).find(({ name }) => name === queue);
    return (found?.consumers ?? 0) > 0;
  }, LIMIT_MS);

const notConsuming = (queue: string): NonNullable<Fault['metric']> => ({
  name: 'onecontact_consuming',
  labels: { queue },
  is: (value) => value === 0,
  text: `\`onecontact_consuming{queue="${queue}"}\` 0`,
});
const disconnected: NonNullable<Fault['metric']> = {
  name: 'onecontact_broker_connected',
  labels: { connection: 'consumer' },
  is: (value) => value === 0,
  text: '`onecontact_broker_connected` 0',
};

const deleteQueue = (queue: string) => (world: World) => world.onBroker((channel) => channel.deleteQueue(queue));

describe('a part of the topology disappears', () => {
  it.each([FXA_QUEUE, NEWSLETTER_QUEUE])(
    'the deleted queue %s is declared and consumed again, without a restart',
    async (queue) => {
      await trial({
        fault: `Queue \`${queue}\` deleted`,
        cause: deleteQueue(queue),
        endedBy: 'declared and consumed again',
        repaired: isConsumed(queue),
      });
    },
  );

  it.each([DEAD_LETTERS, MAILER_QUEUE, ...RETRY_DELAYS.map(retryQueue)])(
    'the deleted queue %s, which the service does not consume, is declared again',
    async (queue) => {
      await trial({
        fault: `Queue \`${queue}\` deleted`,
        cause: deleteQueue(queue),
        endedBy: 'declared again',
        repaired: exists('queues', queue),
      });
    },
  );

  it.each([FXA_EVENTS, NEWSLETTER_EVENTS, CONTACT_EVENTS, RETRY_EXCHANGE])(
    'the deleted exchange %s is declared again, with its bindings',
    async (exchange) => {
      await trial({
        fault: `Exchange \`${exchange}\` deleted`,
        cause: (world) => world.onBroker((channel) => channel.deleteExchange(exchange)),
        endedBy: 'declared again',
        repaired: exists('exchanges', exchange),
      });
    },
  );

  it('a lost binding is made again', async () => {
    await trial({
      fault: 'Binding of a work queue removed',
      cause: (world) => world.onBroker((channel) => channel.unbindQueue(NEWSLETTER_QUEUE, NEWSLETTER_EVENTS, '#')),
      endedBy: 'declared again',
    });
  });

  it('with the policy of an alternate exchange, what is published between loss and healing is handled as well', async () => {
    const pattern = '^(fxa|newsletter)\\.events$';
    await trial({
      fault: 'Binding removed, with the policy onecontact-unrouted',
      async cause(world) {
        const policy = JSON.stringify({ 'alternate-exchange': 'contacts.unrouted' });
        await world.broker.ctl('set_policy', 'unrouted', pattern, policy, '--apply-to', 'exchanges');
        await world.onBroker((channel) => channel.unbindQueue(NEWSLETTER_QUEUE, NEWSLETTER_EVENTS, '#'));
        const accepted = await world.publish(20);
        expect(accepted).toHaveLength(20);
        await world.handled(accepted);
      },
      endedBy: 'declared again, `contacts.unrouted` drained',
      end: (world) => world.broker.ctl('clear_policy', 'unrouted'),
    });
  });

  it('while the service may not declare a deleted work queue, its heartbeat is red and names the queue', async () => {
    await trial({
      fault: 'Queue deleted, right to configure missing',
      async cause(world) {
        await world.broker.ctl('set_permissions', USER, '^$', '.*', '.*');
        world.brokerSwitch.cut();
        await deleteQueue(NEWSLETTER_QUEUE)(world);
      },
      red: /contacts\.newsletter/,
      metric: notConsuming(NEWSLETTER_QUEUE),
      endedBy: 'the right granted again',
      end: (world) => world.permitAll(),
    });
  });

  it('a queue that was made again with other arguments is named, and consumed once it is deleted', async () => {
    await trial({
      fault: 'Queue declared with other arguments',
      async cause(world) {
        world.brokerSwitch.down();
        await world.onBroker(async (channel) => {
          await channel.deleteQueue(NEWSLETTER_QUEUE);
          await channel.assertQueue(NEWSLETTER_QUEUE, { durable: true });
        });
        world.brokerSwitch.restore();
      },
      red: /contacts\.newsletter.*arguments/,
      events: 0,
      endedBy: 'the queue deleted',
      end: deleteQueue(NEWSLETTER_QUEUE),
      repaired: isConsumed(NEWSLETTER_QUEUE),
    });
  });

  it('a deleted virtual host is waited for, and gets its topology once it is made again', async () => {
    await trial({
      fault: 'Virtual host deleted',
      cause: (world) => world.broker.ctl('delete_vhost', '/'),
      red: /broker|vhost|virtual host/,
      metric: disconnected,
      events: 0,
      endedBy: 'created again, with its permissions',
      async end(world) {
        await world.broker.ctl('add_vhost', '/');
        await world.broker.ctl('set_permissions', 'onecontact', '.*', '.*', '.*');
        await world.permitAll();
      },
    });
  });

  it('a new, empty broker behind the same name gets the topology, and is consumed from', async () => {
    await trial({
      fault: 'New, empty broker behind the same name',
      async cause(world) {
        world.brokerSwitch.down();
        const old = world.broker;
        world.broker = await startRabbitMq();
        world.atEnd(() => old.stop());
        await world.broker.ctl('add_user', USER, PASSWORD);
        await world.permitAll();
      },
      red: /broker/,
      metric: disconnected,
      events: 0,
      endedBy: 'the name led there',
      async end(world) {
        world.brokerSwitch.lead(world.broker.url);
        world.brokerSwitch.restore();
      },
      repaired: isConsumed(NEWSLETTER_QUEUE),
    });
  });
});

describe('the broker refuses or is away', () => {
  it('without the right to read a queue the heartbeat is red, and consumption resumes once the right is back', async () => {
    await trial({
      fault: 'Right to read revoked',
      async cause(world) {
        await world.broker.ctl('set_permissions', USER, '.*', '.*', '^$');
        world.brokerSwitch.cut();
      },
      red: /contacts\.newsletter/,
      metric: notConsuming(NEWSLETTER_QUEUE),
      endedBy: 'the right granted again',
      end: (world) => world.permitAll(),
    });
  });

  it('a changed password is waited for', async () => {
    await trial({
      fault: "Broker's password changed",
      async cause(world) {
        await world.broker.ctl('change_password', USER, 'another');
        world.brokerSwitch.cut();
      },
      red: /broker/,
      metric: disconnected,
      endedBy: 'the password changed back',
      end: (world) => world.broker.ctl('change_password', USER, PASSWORD),
    });
  });

  it('a killed broker is waited for', async () => {
    await trial({
      fault: 'Broker killed',
      cause: (world) => world.broker.down(0, 'killed'),
      red: /broker/,
      metric: disconnected,
      events: 0,
      endedBy: 'restarted',
      end: (world) => world.broker.restart(0),
    });
  });

  it('a broker that holds all bytes back is noticed and left', async () => {
    await trial({
      fault: 'Network to the broker silent',
      cause: async (world) => world.brokerSwitch.hold('all'),
      red: /broker/,
      metric: disconnected,
      endedBy: 'the network restored',
      end: async (world) => world.brokerSwitch.restore(),
    });
  });

  it('a limit on a work queue loses nothing that was confirmed', async () => {
    await trial({
      fault: '`max-length` policy on a work queue',
      cause: ({ broker }) =>
        broker.ctl('set_policy', 'short', `^${NEWSLETTER_QUEUE}$`, '{"max-length":5}', '--apply-to', 'queues'),
      endedBy: 'the policy cleared; producers were nacked meanwhile',
      end: ({ broker }) => broker.ctl('clear_policy', 'short'),
      events: 200,
    });
  });
});
