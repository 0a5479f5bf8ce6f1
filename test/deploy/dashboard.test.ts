import { describe, expect, it } from '@jest/globals';
import { readDashboard } from '../support/dashboard';
import { knownMetrics, unknownIn } from '../support/promql';

const { dashboard, panels, queries } = readDashboard();

describe('the dashboard', () => {
  it('names only metrics and labels that a service or RabbitMQ has', () => {
    const known = knownMetrics();
    const problems = queries.flatMap(({ panel, expr }) =>
      unknownIn(expr, known).map((problem) => `${panel}: ${problem}`),
    );
    expect(problems).toEqual([]);
    expect(queries.length).toBeGreaterThan(panels.length);
  });

  it('reads every metric of a service from the chosen jobs only', () => {
    const unbound = queries.filter(({ expr }) =>
      [...expr.matchAll(/\b(?:onecontact|process|nodejs)_\w+(\{[^}]*\})?/g)].some(
        ([, matchers = '']) => !matchers.includes('job=~"$job"'),
      ),
    );
    expect(unbound).toEqual([]);
  });

  it('takes its data source from a variable, so that it can be imported anywhere', () => {
    const fixed = JSON.stringify(dashboard.panels).match(/"uid":"(?!\$\{datasource\}")[^"]*"/g);
    expect(fixed).toBeNull();
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(['datasource', 'job']);
  });

  it('gives each panel a title of its own, a description, a unit and a place that no other panel covers', () => {
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { title, description, fieldConfig, gridPos } of panels) {
      expect([title, description?.length ?? 0]).not.toEqual([title, 0]);
      expect([title, fieldConfig?.defaults.unit]).not.toEqual([title, undefined]);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, x < 24, taken.has(`${x} ${y}`)]).toEqual([title, true, false]);
          taken.add(`${x} ${y}`);
        }
    }
  });
});
