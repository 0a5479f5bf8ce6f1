/** What a run tells its reader: a line for each point, and a summary. */
import type { Kind, Point } from './gate';
import type { Outcome, Scenario } from './scenario';

/** A point, with its number among all. */
export interface Numbered {
  nr: number;
  scenario: Scenario;
  point: Point;
}

export interface Played extends Numbered {
  outcome: Outcome;
}

const SHOWN = 4;
const PLURAL = { statement: 'statements', ack: 'acks', publish: 'publications', confirm: 'confirms' };

export function nameOf({ kind, nr, what, side }: Point): string {
  return `${side.padEnd(6)} ${kind} ${nr}${kind === 'statement' ? ` ${what.slice(0, 60)}` : ''}`;
}

export function progressLine({ nr, scenario, point, outcome }: Played, of: number): string {
  const { problems, left, repeated, ms } = outcome;
  const again = repeated > 0 ? `, the mailer got ${repeated} again` : '';
  const well = `left the database ${left === 'before' ? 'as it was' : 'with all of it'}${again}`;
  const end = problems.length === 0 ? `ok: ${well}` : `FAIL: ${short(problems)}`;
  const place = `${String(nr).padStart(String(of).length)}/${of}`;
  return `${place}  ${scenario.scene.name.padEnd(12)} ${nameOf(point).padEnd(78)}  ${end}  (${(ms / 1000).toFixed(1)} s)`;
}

function short(problems: readonly string[]): string {
  const more = problems.length > SHOWN ? `; and ${problems.length - SHOWN} more` : '';
  return problems.slice(0, SHOWN).join('; ') + more;
}

interface Run {
  servers: string;
  scenarios: readonly Scenario[];
  played: readonly Played[];
  /** Of the domain's own export, against that of the undisturbed run. */
  problems: readonly string[];
  ms: number;
}

export function summary({ servers, scenarios, played, problems, ms }: Run): string {
  const failed = played.filter(({ outcome }) => outcome.problems.length > 0);
  const count = (where: (one: Played) => boolean): number => played.filter(where).length;
  const all = scenarios.reduce((sum, { points }) => sum + points.length, 0);
  const ofPoints = played.reduce((sum, { outcome }) => sum + outcome.ms, 0) / Math.max(1, played.length);
  const rows: [string, string][] = [
    ['servers', servers],
    ['points', `${played.length}${played.length < all ? ` of ${all}` : ''}, each a SIGKILL of a worker process`],
    ...scenarios.map(({ scene, points, notifications }): [string, string] => {
      const kinds: readonly Kind[] = ['statement', 'ack', 'publish', 'confirm'];
      const steps = kinds.flatMap((kind) => {
        const number = points.filter((point) => point.kind === kind && point.side === 'before').length;
        return number > 0 ? [`${number} ${number === 1 ? kind : PLURAL[kind]}`] : [];
      });
      const messages = scene.messages.length > 0 ? `${scene.messages.length} messages, ` : '';
      return [`  ${scene.name}`, `${messages}${notifications} notifications; ${steps.join(', ')}`];
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
  const transactions = scenarios.flatMap(({ scene, points }) => [
    '',
    `Statements of ${scene.name}:`,
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
    `${problems.length === 0 ? ' ok ' : 'FAIL'}  undisturbed, the contacts are what the domain makes of the same events${problems.length > 0 ? `: ${short(problems)}` : ''}`,
    `${failed.length === 0 ? ' ok ' : 'FAIL'}  after every kill, all ended as undisturbed: rows, export, notifications, dead letters; nothing was left`,
    ...failed.map(({ nr, point }) => `        not ${nr}: ${nameOf(point)}`),
    ...(verdict && played.length === 0 ? ['        (no point was asked for)'] : []),
    '',
  ].join('\n');
}
