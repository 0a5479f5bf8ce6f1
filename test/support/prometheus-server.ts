import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Target } from '../../tools/proxy/tcp-proxy';
import { keep, onFreePorts } from '../../tools/services/keep';
import { findProgram } from './programs';

interface Job {
  name: string;
  target: Target;
  path: string;
}
export interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}
export interface Rule {
  name: string;
  state: 'inactive' | 'pending' | 'firing';
  health: 'ok' | 'err' | 'unknown';
}

/** A private Prometheus that scrapes each job once a second. */
export class PrometheusServer {
  private constructor(
    private readonly url: string,
    readonly stop: () => Promise<void>,
  ) {}

  static async start({ jobs, rules }: { jobs: Job[]; rules: string }): Promise<PrometheusServer> {
    const { path, env } = await findProgram('prometheus');
    const folder = join(tmpdir(), `onecontact-prometheus-${randomBytes(6).toString('hex')}`);
    const configuration = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [rules],
      scrape_configs: jobs.map(({ name, target, path: metrics_path }) => ({
        ...{ job_name: name, metrics_path, static_configs: [{ targets: [`${target.host}:${target.port}`] }] },
      })),
    };
    return onFreePorts(1, async ([port]) => {
      const address = `127.0.0.1:${port}`;
      const config = join(folder, 'prometheus.yaml');
      const { stop } = await keep({
        folder,
        files: [{ path: config, content: JSON.stringify(configuration) }], // JSON is YAML
        steps: [
          {
            command: path,
            args: [
              `--config.file=${config}`,
              `--storage.tsdb.path=${join(folder, 'data')}`,
              `--web.listen-address=${address}`,
            ],
            env: { ...process.env, ...env },
            until: 'Server is ready to receive web requests',
            timeoutMs: 60_000,
            signal: 'SIGKILL',
          },
        ],
      });
      return new PrometheusServer(`http://${address}`, stop);
    });
  }

  /** @throws Error with what Prometheus has against the query */
  async query(query: string): Promise<Sample[]> {
    return (await this.#get<{ result: Sample[] }>('query', { query })).result;
  }

  async rules(): Promise<Rule[]> {
    return (await this.#get<{ groups: { rules: Rule[] }[] }>('rules')).groups.flatMap(({ rules }) => rules);
  }

  async #get<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { data, error } = (await answer.json()) as { data: T; error?: string };
    if (error !== undefined) throw new Error(`${error}: ${JSON.stringify(parameters)}`);
    return data;
  }
}
