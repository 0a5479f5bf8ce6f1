import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Target } from '../../proxy/tcp-proxy';
import { run } from '../../services/command';
import { type Kept, keep, type Step } from '../../services/keep';
import { environment, type RabbitPrograms, steps } from '../../services/rabbitmq';
import { lastingPorts } from './ports';
import { Restartable } from './restartable';

const USER = 'onecontact';

interface Node {
  target: Target;
  env: NodeJS.ProcessEnv;
  server: Restartable;
}

export interface BrokerOptions {
  /** Whether the first node runs the plugin `rabbitmq_prometheus`. */
  metrics?: boolean;
  /** More lines of rabbitmq.conf. */
  settings?: readonly string[];
}

/**
 * A private RabbitMQ server or cluster whose nodes can be killed and restarted. The nodes share a port mapper, a cookie
 * and a folder, which last for the whole run.
 */
export class ChaosBroker {
  version = '';

  private constructor(
    private readonly programs: RabbitPrograms,
    private readonly nodes: Node[],
    private readonly home: Kept,
    /** With credentials, for the first node; proxies replace host and port. */
    readonly url: string,
    /** Where the first node serves its metrics, if it does. */
    readonly metricsTarget: Target | undefined,
  ) {}

  static async start(programs: RabbitPrograms, size: number, options: BrokerOptions = {}): Promise<ChaosBroker> {
    const { metrics = false, settings = [] } = options;
    const folder = join(tmpdir(), `onecontact-chaos-rabbitmq-${randomBytes(6).toString('hex')}`);
    const password = randomBytes(16).toString('hex');
    const cookie = randomBytes(16).toString('hex');
    const [epmdPort, metricsPort, ...ports] = (await lastingPorts(2 + 2 * size)) as [number, number, ...number[]];
    const places = Array.from({ length: size }, (_, index) => ({
      at: (name: string): string => join(folder, `node-${index + 1}`, name),
      name: `onecontact-${index + 1}-${epmdPort}@localhost`,
      port: ports[2 * index] as number,
      distribution: ports[2 * index + 1] as number,
    }));
    const members = places.map(({ name }, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${name}`);
    const conf = (port: number): string[] => [
      `listeners.tcp.1 = 127.0.0.1:${port}`,
      'log.console = true',
      'log.file = false',
      ...settings,
      ...(metrics ? ['prometheus.tcp.ip = 127.0.0.1', `prometheus.tcp.port = ${metricsPort}`] : []),
      ...(size > 1 ? ['cluster_formation.peer_discovery_backend = classic_config', ...members] : []),
      '',
    ];
    const nodes = places.map(({ at, name, port, distribution }): Node => {
      const env = {
        ...environment(programs.path, at),
        RABBITMQ_NODENAME: name,
        RABBITMQ_NODE_PORT: String(port),
        RABBITMQ_DIST_PORT: String(distribution),
        RABBITMQ_DEFAULT_USER: USER,
        RABBITMQ_DEFAULT_PASS: password,
        ERL_EPMD_PORT: String(epmdPort),
      };
      const [, start] = steps(programs, env) as [Step, Step];
      return { target: { host: '127.0.0.1', port }, env, server: new Restartable(at('.'), start, undefined) };
    });
    const [first] = nodes as [Node];
    const home = await keep({
      folder,
      directories: places.flatMap(({ at }) => [at('.'), at('home'), at('log')]),
      files: places.flatMap(({ at, port }) => [
        { path: at('home/.erlang.cookie'), content: cookie, mode: 0o400 },
        { path: at('enabled_plugins'), content: metrics ? '[rabbitmq_prometheus].\n' : '[].\n' },
        { path: at('rabbitmq.conf'), content: conf(port).join('\n') },
      ]),
      copies: [],
      steps: steps(programs, first.env).slice(0, 1), // the port mapper
    });
    const url = `amqp://${USER}:${password}@127.0.0.1:${first.target.port}`;
    const metricsTarget = metrics ? { host: '127.0.0.1', port: metricsPort } : undefined;
    const broker = new ChaosBroker(programs, nodes, home, url, metricsTarget);
    try {
      const outputs = await Promise.all(nodes.map(({ server }) => server.start()));
      broker.version = /Starting RabbitMQ (\S+)/.exec(outputs[0] ?? '')?.[1] ?? '';
      return broker;
    } catch (error) {
      await broker.stop();
      throw error;
    }
  }

  get size(): number {
    return this.nodes.length;
  }

  /** All nodes, starting with `first`. */
  targets(first = 0): Target[] {
    return this.nodes.map((_, index) => (this.nodes[(first + index) % this.size] as Node).target);
  }

  async down(node: number, how: 'killed' | 'stopped'): Promise<void> {
    await this.#node(node).server.end(how === 'killed' ? 'SIGKILL' : 'SIGTERM');
  }

  async restart(node: number): Promise<void> {
    await this.#node(node).server.start();
  }

  /** Runs `rabbitmqctl` on a node that is up. */
  ctl(...args: string[]): Promise<string> {
    return this.run('rabbitmqctl', '--quiet', ...args);
  }

  /** Runs a program of RabbitMQ on a node that is up. */
  async run(program: string, ...args: string[]): Promise<string> {
    const node = this.nodes.find(({ server }) => server.up);
    if (!node) throw new Error('no node of the broker is up');
    const path = join(dirname(this.programs.server), program);
    return run(path, args, { env: node.env, cwd: '/', timeout: 60_000 });
  }

  /** Each queue with its messages, unacknowledged ones included, and the nodes that have it. */
  async queues(): Promise<{ name: string; messages: number; members: string[] }[]> {
    return JSON.parse(await this.ctl('list_queues', '--formatter', 'json', 'name', 'messages', 'members'));
  }

  async bindings(): Promise<{ source_name: string; destination_name: string }[]> {
    return JSON.parse(await this.ctl('list_bindings', '--formatter', 'json', 'source_name', 'destination_name'));
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
    await this.home.stop();
  }

  #node(number: number): Node {
    return this.nodes[number % this.size] as Node;
  }
}
