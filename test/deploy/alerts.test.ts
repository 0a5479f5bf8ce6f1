import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { describeWith, FETCH_MS, runProgram } from '../support/programs';
import { knownMetrics, unknownIn } from '../support/promql';

const ROOT = join(__dirname, '../..');
const FOLDER = join(ROOT, 'deploy/prometheus');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; runbook: string };
}
interface Cases {
  tests: { name: string; promql_expr_test: { expr: string; exp_samples: unknown[] }[] }[];
}

const { groups } = parse(read('deploy/prometheus/onecontact.rules.yaml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const FILES = ['onecontact.test.yaml', 'onecontact.days.test.yaml'];
const tests = FILES.flatMap((name) => (parse(read(`deploy/prometheus/${name}`)) as Cases).tests);

/** The anchor that Markdown gives to a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replaceAll(' ', '-');

describeWith('promtool')('Prometheus', () => {
  it(
    'loads the alerts, and each case of them ends as it should',
    async () => {
      expect(await runProgram('promtool', ['check', 'rules', join(FOLDER, 'onecontact.rules.yaml')])).toContain(
        `SUCCESS: ${rules.length} rules found`,
      );
      const verdict = await runProgram('promtool', ['test', 'rules', ...FILES], { cwd: FOLDER });
      expect(verdict).toContain('SUCCESS');
    },
    FETCH_MS,
  );
});

describe('each alert', () => {
  it('has a case in which it fires, and one in which it stays quiet', () => {
    const endings = rules.map(({ alert }) => {
      const expr = `ALERTS{alertname="${alert}", alertstate="firing"}`;
      const samples = tests.flatMap((test) => test.promql_expr_test.filter((it) => it.expr === expr));
      return [alert, samples.map(({ exp_samples }) => (exp_samples.length > 0 ? 'fires' : 'stays quiet'))];
    });
    expect(endings).toEqual(rules.map(({ alert }) => [alert, ['fires', 'stays quiet']]));
    expect(new Set(tests.map(({ name }) => name)).size).toBe(tests.length);
  });

  it('names only metrics and labels that a service or RabbitMQ has', () => {
    const known = knownMetrics();
    expect(rules.map(({ alert, expr }) => [alert, unknownIn(expr, known)])).toEqual(
      rules.map(({ alert }) => [alert, []]),
    );
    expect(unknownIn('sum by (colour) (onecontact_merges_total{shape="x"}) > onecontact_gone', known)).toEqual([
      'onecontact_merges_total has no label shape',
      'there is no metric onecontact_gone',
      'no metric of the expression has a label colour',
    ]);
  });

  it('has a section of docs/operations.md as its runbook, whose table of alerts has its row', () => {
    const page = read('docs/operations.md');
    const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(
      ([, heading = '']) => `docs/operations.md#${anchorOf(heading)}`,
    );
    for (const { alert, annotations } of rules)
      expect([alert, anchors.includes(annotations.runbook)]).toEqual([alert, true]);
    const rows = [...page.matchAll(/^\| `(OneContact\w+)` \|.*\]\((#[\w-]+)\)[^|]*\|$/gm)];
    expect(rows.map(([, alert, anchor]) => [alert, `docs/operations.md${anchor}`])).toEqual(
      rules.map(({ alert, annotations }) => [alert, annotations.runbook]),
    );
  });

  it('pages the operator or waits until the morning', () => {
    expect(new Set(rules.map(({ labels }) => labels.severity))).toEqual(new Set(['page', 'morning']));
  });
});
