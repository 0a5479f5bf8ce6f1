/** Prometheus' own checker takes our metrics and the documented alerts. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '../../src/main';
import { NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup } from '../support/events';
import { checkMetrics, promtool } from '../support/infra';
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

  it('accepts the alerts of docs/operations.md', async () => {
    const page = readFileSync(join(__dirname, '../../docs/operations.md'), 'utf8');
    const [, table = ''] = /^## Alerts$([\s\S]*?)^### /m.exec(page) ?? [];
    const rules = table.split('\n').flatMap((row) => {
      const [, name, cell = ''] = /^\| ([A-Z][\w -]+) \| (.*) \|.*\|$/.exec(row) ?? [];
      const expressions = [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text?.replaceAll('\\|', '|'));
      return name === undefined ? [] : expressions.map((expr) => ({ alert: name, expr }));
    });
    expect(rules.length).toBeGreaterThanOrEqual(16);
    await checkRules(rules);
    await expect(checkRules([{ alert: 'Broken', expr: 'sum(' }])).rejects.toThrow('promtool check failed');
  });
});

async function checkRules(rules: readonly { alert: string; expr: string | undefined }[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'onecontact-alerts-'));
  try {
    const file = join(folder, 'alerts.json'); // JSON is YAML, which promtool reads
    await writeFile(file, JSON.stringify({ groups: [{ name: 'onecontact', rules }] }));
    await promtool('check', 'rules', file);
  } finally {
    await rm(folder, { recursive: true });
  }
}
