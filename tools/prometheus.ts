/** Prometheus' text format, as far as our own metrics use it. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  help: string;
  type: string;
  samples: Sample[];
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** @throws Error for a malformed line, and for a sample without HELP and TYPE before it */
export function parseMetrics(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  for (const line of text.split('\n').filter((it) => it !== '')) {
    const [, kind, of, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind && of) {
      const family = families.get(of) ?? { name: of, help: '', type: '', samples: [] };
      families.set(of, { ...family, [kind === 'HELP' ? 'help' : 'type']: rest });
      continue;
    }
    const [, name = '', labels = '', value] = SAMPLE.exec(line) ?? [];
    const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (!family) throw new Error(`a sample without HELP and TYPE: ${line}`);
    const pairs = [...labels.matchAll(LABEL)].map(([, label, text]) => [label, text]);
    family.samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value) });
  }
  return families;
}

/** The samples of all counters. */
export const parseCounters = (text: string): Sample[] =>
  [...parseMetrics(text).values()].flatMap(({ type, samples }) => (type === 'counter' ? samples : []));

const selected = (samples: readonly Sample[], name: string, labels: Record<string, string>): Sample[] =>
  samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );

/** The sum of all samples with this name and these labels. */
export const sumOf = (samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number =>
  selected(samples, name, labels).reduce((sum, { value }) => sum + value, 0);

/** The sums of the samples with this name and these labels, by the values of another label. */
export function sumBy(by: string, samples: readonly Sample[], name: string, labels: Record<string, string> = {}) {
  const sums = new Map<string, number>();
  for (const sample of selected(samples, name, labels)) {
    const key = sample.labels[by] ?? '';
    sums.set(key, (sums.get(key) ?? 0) + sample.value);
  }
  return sums;
}

/** The sum of a metric's samples with these labels (`_count` of a histogram); undefined if there are none. */
export function sampled(
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const family = families.get(name);
  const found = selected(family?.samples ?? [], family?.type === 'histogram' ? `${name}_count` : name, labels);
  return found.length > 0 ? found.reduce((sum, { value }) => sum + value, 0) : undefined;
}
