import { WORKLOADS } from '../load/workloads';
import { throughputOf } from '../measure/statistics';
import type { ContenderName } from '../measure/throughput';
import type { Results } from './results';

const BARS: readonly { name: ContenderName; title: string }[] = [
  { name: 'onecontact', title: 'OneContact' },
  { name: 'minimal', title: 'Minimal consumer' },
  { name: 'baseline', title: 'Idiomatic baseline' },
  { name: 'database', title: 'Limit of the database' },
];

const WIDTH = 760;
const LEFT = 190;
const RIGHT = 80;
const TOP = 64;
const BAR = 16;
const GAP = 20;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .quiet { fill: #59636e; font-size: 12px; }
  .onecontact { fill: #0b7285; } .minimal { fill: #5f3dc4; } .baseline { fill: #c2410c; } .database { fill: #8c959f; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .quiet { fill: #9198a1; }
    .onecontact { fill: #3bc9db; } .minimal { fill: #b197fc; } .baseline { fill: #ff922b; } .database { fill: #6e7681; }
  }`;

/** An SVG of each workload's median throughput as bars from zero, readable on light and dark pages. */
export function plot(results: Results): string {
  const groups = (results.throughput ?? []).map(({ workload, runs }) => ({
    title: WORKLOADS[workload].title,
    bars: BARS.filter(({ name }) => runs[name].length > 0).map((bar) => ({
      ...bar,
      value: throughputOf(runs[bar.name]),
    })),
  }));
  const most = Math.max(1, ...groups.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const lines: string[] = [];
  let y = TOP;
  for (const { title, bars } of groups) {
    lines.push(`<text x="${LEFT - 12}" y="${y + (bars.length * BAR) / 2 + 4}" text-anchor="end">${title}</text>`);
    for (const { name, title: contender, value } of bars) {
      const width = Math.max(1, ((WIDTH - LEFT - RIGHT) * value) / most).toFixed(1);
      const label = Math.round(value).toLocaleString('en');
      lines.push(
        `<rect class="${name}" x="${LEFT}" y="${y}" width="${width}" height="${BAR - 2}" rx="2"><title>${contender}: ${label} events/s</title></rect>`,
        `<text class="quiet" x="${(LEFT + Number(width) + 6).toFixed(1)}" y="${y + 11}">${label}</text>`,
      );
      y += BAR;
    }
    y += GAP;
  }
  const { processor, rabbitmq, postgresql, node } = results.configuration;
  const notes = [
    `RabbitMQ ${rabbitmq}; PostgreSQL ${postgresql}, durable; Node.js ${node}`,
    `All on one machine: ${processor}. Medians of ${results.configuration.rounds} rounds`,
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 38}" width="${WIDTH}" role="img" aria-label="Throughput, events a second">
<style>${STYLE}
</style>
<text class="title" x="12" y="24">Throughput: events a second, from published to committed and acknowledged</text>
${legend()}
${lines.join('\n')}
${notes.map((note, i) => `<text class="quiet" x="12" y="${y + 8 + 18 * i}">${note}</text>`).join('\n')}
</svg>
`;
}

function legend(): string {
  return BARS.map(
    ({ name, title }, i) =>
      `<rect class="${name}" x="${12 + i * 170}" y="36" width="12" height="12" rx="2"/><text class="quiet" x="${30 + i * 170}" y="46">${title}</text>`,
  ).join('\n');
}
