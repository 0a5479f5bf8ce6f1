import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { keep, type Step } from './keep';
import { onFreePorts } from './ports';
import type { Context, Service } from './types';

export interface RabbitPrograms {
  /** The start script itself, not Debian's wrapper in /usr/sbin, which wants root. */
  server: string;
  /** Erlang's port mapper. */
  epmd: string;
  /** Where the start script looks for Erlang. */
  path: string;
}

const USER = 'onecontact';

/**
 * Starts a private RabbitMQ node: own folder, ports, name, cookie and user, loopback only.
 *
 * Erlang nodes find each other through `epmd`, a daemon that the first node starts and that stays for ever. Ours is a
 * process of its own on a port of its own, in the supervisor's hands like the broker.
 */
export async function runRabbit(programs: RabbitPrograms, { tls }: Pick<Context, 'tls'> = {}): Promise<Service> {
  const folder = join(tmpdir(), `onecontact-rabbitmq-${randomBytes(6).toString('hex')}`);
  const password = randomBytes(16).toString('hex');
  const at = (name: string): string => join(folder, name);

  return onFreePorts(4, async ([port, distributionPort, epmdPort, tlsPort]) => {
    const env = {
      ...environment(programs.path, at),
      RABBITMQ_NODENAME: `onecontact-${port}@localhost`,
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_DEFAULT_USER: USER,
      RABBITMQ_DEFAULT_PASS: password,
      ERL_EPMD_PORT: String(epmdPort),
    };
    const { output, stop } = await keep({
      folder,
      directories: [at('home'), at('log')],
      files: [
        { path: at('home/.erlang.cookie'), content: randomBytes(16).toString('hex'), mode: 0o400 },
        { path: at('enabled_plugins'), content: '[].\n' },
        {
          path: at('rabbitmq.conf'),
          content: [
            `listeners.tcp.1 = 127.0.0.1:${port}`,
            'log.console = true',
            'log.file = false',
            ...(tls ? tlsSettings(tlsPort as number, at) : []),
            '',
          ].join('\n'),
        },
        ...(tls ? [{ path: at('server.pem'), content: tls.certificate }] : []),
        ...(tls ? [{ path: at('server.key'), content: tls.key }] : []),
      ],
      copies: [],
      steps: steps(programs, env),
    });
    return {
      url: `amqp://${USER}:${password}@127.0.0.1:${port}`,
      ...(tls && { tlsUrl: `amqps://${USER}:${password}@127.0.0.1:${tlsPort}` }),
      version: `RabbitMQ ${/Starting RabbitMQ (\S+)/.exec(output)?.[1] ?? ''}`.trim(),
      stop,
    };
  });
}

const tlsSettings = (port: number, at: (name: string) => string): string[] => [
  `listeners.ssl.1 = 127.0.0.1:${port}`,
  `ssl_options.certfile = ${at('server.pem')}`,
  `ssl_options.keyfile = ${at('server.key')}`,
  'ssl_options.verify = verify_none', // clients show a password, not a certificate
];

/** Every path that a node uses by default lies in the system's folders: each is moved into ours. */
export function environment(path: string, at: (name: string) => string): NodeJS.ProcessEnv {
  return {
    PATH: path,
    LANG: 'C.UTF-8',
    HOME: at('home'),
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'),
    RABBITMQ_CONFIG_FILES: at('conf.d'),
    RABBITMQ_ADVANCED_CONFIG_FILE: at('advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: at('enabled_plugins'),
    RABBITMQ_MNESIA_BASE: at('mnesia'),
    RABBITMQ_LOG_BASE: at('log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: at('pid'),
    RABBITMQ_GENERATED_CONFIG_DIR: at('config'),
    RABBITMQ_SCHEMA_DIR: at('schema'),
    RABBITMQ_FEATURE_FLAGS_FILE: at('feature_flags'),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP_SECONDS: '0',
    // Loopback only, and no busy waiting: the tests need the processor more than an idle broker does.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none',
    // Any value: the start script then becomes the broker's process, so that a signal hits it and not a shell.
    detached: '1',
  };
}

/** First the port mapper, then the node. */
export function steps(programs: RabbitPrograms, env: NodeJS.ProcessEnv): Step[] {
  return [
    {
      command: programs.epmd,
      args: ['-d', '-d', '-address', '127.0.0.1', '-port', String(env.ERL_EPMD_PORT)],
      env,
      until: 'entering the main select() loop',
      timeoutMs: 20_000,
      signal: 'SIGKILL',
    },
    {
      command: programs.server,
      args: [],
      env,
      until: 'Server startup complete',
      timeoutMs: 90_000,
      signal: 'SIGKILL',
    },
  ];
}

/** PATH for an Erlang that lies outside of it. */
function pathWith(folder: string, env: NodeJS.ProcessEnv): string {
  return [folder, env.PATH ?? '/usr/bin:/bin'].join(':');
}

/** The programs of a RabbitMQ and an Erlang, given the start script and the folder of `erl`. */
export function programsOf(server: string, erl: string, env: NodeJS.ProcessEnv): RabbitPrograms {
  return { server, epmd: join(dirname(erl), 'epmd'), path: pathWith(dirname(erl), env) };
}
