import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { promtool } from '../support/infra';

const OPERATIONS = join(__dirname, '../../docs/operations.md');

interface Rule {
  alert: string;
  expr: string;
}

/** The alerts of the operator's page: name, and PromQL in code spans. */
async function documentedAlerts(): Promise<Rule[]> {
  const page = await readFile(OPERATIONS, 'utf8');
  const section = /^## Alerts\n(.*?)^### /ms.exec(page)?.[1] ?? '';
  return [...section.matchAll(/^\| (\w[^|]*?) \| (`.*)$/gm)].map(([, alert = '', rest = '']) => {
    const cell = rest.split(/(?<!\\)\|/)[0] ?? '';
    const spans = [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replaceAll('\\|', '|'));
    return { alert, expr: spans.join(' or ') };
  });
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onecontact-rules-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}
// JSON is YAML.
const rulesFile = async (): Promise<string> =>
  file('rules.json', JSON.stringify({ groups: [{ name: 'onecontact', rules: await documentedAlerts() }] }));

describe('of the documented alerts', () => {
  it.each([
    ['Gone', 'no process is known to Prometheus any more', {}],
    ['Database away', 'the database is away, without traffic', { onecontact_database_up: '0x10' }],
    ['Not consumed', 'a work queue is not consumed', { 'onecontact_consuming{queue="contacts.newsletter"}': '0x10' }],
    ['Paused', 'consumption is paused', { 'onecontact_consumption_paused{queue="contacts.fxa"}': '1x10' }],
    ['Broker blocks', 'the broker blocks publishers', { 'onecontact_broker_blocked{connection="publisher"}': '1x10' }],
    ['Broker lost', 'the broker is away', { 'onecontact_broker_connected{connection="consumer"}': '0x10' }],
    [
      'Dead letters',
      'there is one dead letter, the first since the start',
      { 'onecontact_dead_letters_total{queue="contacts.fxa",reason="not_json"}': '0x4 1x6' },
    ],
    [
      'Compaction overdue',
      'no run has ended for days',
      { onecontact_compaction_finished_timestamp_seconds: '-300000x10' },
    ],
    ['Feed held back', 'a transaction stays open', { onecontact_feed_fence_age_seconds: '400x10' }],
    ['Outbox', 'notifications wait for long', { onecontact_outbox_oldest_age_seconds: '400x10' }],
  ])('%s fires when %s', async (alert, _, series) => {
    const test = {
      rule_files: [await rulesFile()],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
          promql_expr_test: [
            {
              expr: `count(ALERTS{alertname="${alert}"})`,
              eval_time: '9m',
              exp_samples: [{ labels: '{}', value: 1 }],
            },
          ],
        },
      ],
    };
    expect(await promtool('test', 'rules', await file('test.json', JSON.stringify(test)))).toContain('SUCCESS');
  });
});
