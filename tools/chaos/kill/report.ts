/** A line for each point, and a summary. */
import type { Point, StepKind } from '../../proxy/breakpoint';
import { shorten } from '../checks/checks';
import type { Outcome, Scenario } from './scenario';

/** A point, with its number among all. */
export interface NumberedPoint {
  nr: number;
  scenario: Scenario;
  point: Point;
}

export interface Result extends NumberedPoint {
  outcome: Outcome;
}

const SHOWN = 4;
const PLURAL: Record<StepKind, string> = {
  statement: 'statements',
  ack: 'acks',
  publish: 'publications',
  confirm: 'confirms',
};

const nameOf = ({ kind, nr, what, side }: Point): string =>
  `${side.padEnd(6)} ${kind} ${nr}${kind === 'statement' ? ` ${what.slice(0, 60)}` : ''}`;

export function progressLine({ nr, scenario, point, outcome }: Result, of: number): string {
  const { problems, left, repeated, ms } = outcome;
  const again = repeated > 0 ? `, the mailer got ${repeated} again` : '';
  const well = `left the database ${left === 'before' ? 'as it was' : 'with all of it'}${again}`;
  const end = problems.length === 0 ? `ok: ${well}` : `FAIL: ${shorten(problems, SHOWN)}`;
  const place = `${String(nr).padStart(String(of).length)}/${of}`;
  return `${place}  ${scenario.task.name.padEnd(12)} ${nameOf(point).padEnd(78)}  ${end}  (${(ms / 1000).toFixed(1)} s)`;
}

interface Run {
  servers: string;
  scenarios: readonly Scenario[];
  results: readonly Result[];
  /** Differences between the domain's export and the undisturbed run's. */
  problems: readonly string[];
  ms: number;
}

export function summary({ servers, scenarios, results, problems, ms }: Run): string {
  const failed = results.filter(({ outcome }) => outcome.problems.length > 0);
  const count = (where: (one: Result) => boolean): number => results.filter(where).length;
  const all = scenarios.reduce((sum, { points }) => sum + points.length, 0);
  const ofPoints = results.reduce((sum, { outcome }) => sum + outcome.ms, 0) / Math.max(1, results.length);
  const rows: [string, string][] = [
    ['servers', servers],
    ['points', `${results.length}${results.length < all ? ` of ${all}` : ''}, each a SIGKILL of a worker process`],
    ...scenarios.map(({ task, points, notifications }): [string, string] => {
      const kinds = Object.keys(PLURAL) as StepKind[];
      const steps = kinds.flatMap((kind) => {
        const number = points.filter((point) => point.kind === kind && point.side === 'before').length;
        return number > 0 ? [`${number} ${number === 1 ? kind : PLURAL[kind]}`] : [];
      });
      const messages = task.messages.length > 0 ? `${task.messages.length} messages, ` : '';
      return [`  ${task.name}`, `${messages}${notifications} notifications; ${steps.join(', ')}`];
    }),
    [
      'left behind',
      `the database as it was ${count(({ outcome }) => outcome.left === 'before')} times, with all of it ${count(({ outcome }) => outcome.left === 'after')} times, anything else ${count(({ outcome }) => outcome.left === 'neither')} times`,
    ],
    [
      'came twice',
      `notifications ${count(({ outcome }) => outcome.repeated > 0)} times, under the same id with the same body; dead letters ${count(({ outcome }) => outcome.copies > 0)} times`,
    ],
    ['took', `${(ms / 1000).toFixed(0)} s, ${(ofPoints / 1000).toFixed(1)} s a point`],
  ];
  const transactions = scenarios.flatMap(({ task, points }) => [
    '',
    `Statements of ${task.name}:`,
    ...points
      .filter(({ kind, side }) => kind === 'statement' && side === 'before')
      .map(({ nr, what }) => `  ${String(nr).padStart(2)} ${what}`),
  ]);
  const verdict = problems.length + failed.length === 0;
  return [
    ...transactions,
    '',
    ...rows.map(([name, text]) => `${name.padEnd(16)}${text}`),
    '',
    `${problems.length === 0 ? ' ok ' : 'FAIL'}  undisturbed, the contacts are what the domain makes of the same events${problems.length > 0 ? `: ${shorten(problems, SHOWN)}` : ''}`,
    `${failed.length === 0 ? ' ok ' : 'FAIL'}  after every kill, all ended as undisturbed: rows, export, notifications, dead letters; nothing was left`,
    ...failed.map(({ nr, point }) => `        not ${nr}: ${nameOf(point)}`),
    ...(verdict && results.length === 0 ? ['        (no point was asked for)'] : []),
    '',
  ].join('\n');
}
