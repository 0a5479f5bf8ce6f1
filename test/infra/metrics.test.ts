/** Prometheus' own checker takes our metrics. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '../../src/main';
import { NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup } from '../support/events';
import { checkMetrics } from '../support/infra';
import { eventually, get, publish, startOn } from '../support/service';

const broker = withBroker();

describe('promtool', () => {
  let database: TestDatabase;
  let service: Service;
  beforeAll(async () => {
    database = await freshDatabase();
    service = await startOn(broker(), database);
  });
  afterAll(async () => {
    await service?.stop();
    await database?.drop();
  });

  it('accepts all metrics of a service that has merged, dead-lettered and announced', async () => {
    await publish(broker(), acct('u', 'first', 1), signup('second', ['x'], 2));
    await broker().send(NEWSLETTER_EVENTS, 'newsletter.subscribe', ['{']);
    const metrics = async () => (await get(service, '/metrics')).text;
    await eventually(metrics, (text) => /messages_total\{[^}]*type="not_json",outcome="dead"\} 1/.test(text));
    await publish(broker(), acct('u', 'second', 3));
    const text = await eventually(metrics, (it) => /onecontact_notification_lag_seconds_count [1-9]/.test(it));
    await checkMetrics(text);
    await expect(checkMetrics(`${text}\nhandles_total{} 1\n`)).rejects.toThrow('promtool check failed');
  });
});
