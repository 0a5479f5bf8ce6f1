/** The dead letters at a glance, and where looking at them ends. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { pageBounds, readOverview, searchBounds } from '../../../src/operations/dead-letters/overview';
import { dropDeadLetters } from '../../../src/operations/dead-letters/run';
import type { Broker } from '../../../src/operations/servers';
import { type BrokerConnection, openConnection } from '../../../src/rabbitmq/connection';
import { DEAD_LETTERS } from '../../../src/rabbitmq/names';
import { Publisher } from '../../../src/rabbitmq/publishing/publisher';
import { silent, withBroker } from '../../support/broker';
import { addDeadLetters, drain } from '../../support/dead-letters';

const broker = withBroker();
let open: Broker;
let publishing: BrokerConnection;
beforeAll(async () => {
  const connect = () => openConnection({ url: broker().url, name: 'onecontact test', log: silent });
  publishing = await connect();
  open = { connection: await connect(), publisher: new Publisher({ connection: publishing, log: silent }) };
  await Promise.all([open.connection.ready(), publishing.ready()]);
});
afterAll(async () => {
  await open?.publisher.close();
  await Promise.all([open?.connection.close(), publishing?.close()]);
});
afterEach(async () => {
  await (await broker().channel()).purgeQueue(DEAD_LETTERS);
});

const options = { filter: { ids: new Set<string>() }, size: 2, signal: new AbortController().signal };

describe('an overview of the dead letters', () => {
  it('looks only at the oldest of a long queue, says at how many, and leaves all in their order', async () => {
    const bodies = await addDeadLetters(broker(), 6);
    const bounded = await readOverview(open, { ...options, ...pageBounds(5, 3) });
    expect(bounded).toMatchObject({ total: 6, looked: 3, interrupted: false, matched: 3, hasMore: true });
    expect(bounded.page).toHaveLength(2);
    expect(await readOverview(open, { ...options, ...pageBounds(6, 3) })).toMatchObject({ looked: 6, matched: 6 });
    expect(await drain(broker())).toEqual(bodies);
  });

  it('looks for one dead letter of a long queue until it is found, and in a short one also for those equal to it', async () => {
    await addDeadLetters(broker(), 6);
    const { page } = await readOverview(open, options);
    const filter = { ids: new Set([page[1]?.id as string]) };
    const find = (most: number) => dropDeadLetters(open, { ...options, filter, ...searchBounds(most) }, true);
    expect(await find(5)).toMatchObject({ matched: 1, seen: 2 });
    expect(await find(6)).toMatchObject({ matched: 1, seen: 6 });
  });

  it('says that it was interrupted, and at which point', async () => {
    const bodies = await addDeadLetters(broker(), 4);
    const over = new AbortController();
    const onProgress = (seen: number): void => (seen === 2 ? over.abort() : undefined);
    const found = await readOverview(open, { ...options, signal: over.signal, onProgress });
    expect(found).toMatchObject({ total: 4, looked: 2, interrupted: true });
    expect(await drain(broker())).toEqual(bodies);
  });

  it('names at most a hundred kinds, and counts the others', async () => {
    for (let i = 0; i < 103; i++) await addDeadLetters(broker(), 1, { reason: `made up ${i % 102}` });
    const { kinds, others } = await readOverview(open, options);
    expect([kinds.length, others, kinds[0]?.count]).toEqual([100, 2, 2]);
  });
});
