/** Prometheus' text format, as far as our own metrics use it. */
export interface Family {
  name: string;
  help: string;
  type: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Throws for a line that is none, and for a sample without HELP and TYPE before it. */
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
    if (!family) throw new Error(`a sample of no metric: ${line}`);
    const pairs = [...labels.matchAll(LABEL)].map(([, label, text]) => [label, text]);
    family.samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value) });
  }
  return families;
}

/** The sum of all samples of a metric (`_count` of a histogram) that have these labels; undefined when there is none. */
export function sampled(
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const family = families.get(name);
  const wanted = family?.type === 'histogram' ? `${name}_count` : name;
  const found = family?.samples.filter(
    (sample) =>
      sample.name === wanted && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return found && found.length > 0 ? found.reduce((sum, { value }) => sum + value, 0) : undefined;
}
