import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Panel {
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig?: { defaults: { unit?: string } };
  targets?: { expr: string }[];
}
interface Dashboard {
  templating: { list: { name: string }[] };
  panels: Panel[];
}

/** The dashboard of `deploy/grafana`, its panels without the rows that group them, and every query. */
export function readDashboard() {
  const text = readFileSync(join(__dirname, '../../deploy/grafana/onecontact.json'), 'utf8');
  const dashboard = JSON.parse(text) as Dashboard;
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');
  const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ panel: title, expr })));
  return { dashboard, panels, queries };
}

/** As Grafana sends a query, with these values of its variables. */
export const filledIn = (expr: string, { job, interval }: { job: string; interval: string }): string =>
  expr.replaceAll('$job', job).replaceAll('$__rate_interval', interval);
