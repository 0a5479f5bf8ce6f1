/** RabbitMQ's programs on this machine, and a private node started from them. */
import { randomBytes } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findProgram, HOMEBREW, pathFolders } from './command';
import { certificateFiles, keep, onFreePorts, type Step } from './keep';
import { type Context, type Service, Unavailable } from './types';

export interface RabbitPrograms {
  /** The start script itself, not Debian's wrapper in /usr/sbin, which requires root. */
  server: string;
  /** Erlang's port mapper. */
  epmd: string;
  /** The PATH in which the start script finds Erlang. */
  path: string;
}

const USER = 'onecontact';

export async function installedRabbit({ env }: Context): Promise<RabbitPrograms> {
  if (env.ONECONTACT_RABBITMQ) throw new Unavailable('ONECONTACT_RABBITMQ names a version, which is fetched');
  // Debian's wrappers in /usr/sbin require root and the user rabbitmq.
  const inPath = pathFolders(env).filter((folder) => !/^(\/usr)?\/sbin\/?$/.test(folder));
  const brewed = HOMEBREW.flatMap((home) => [join(home, 'opt/rabbitmq/sbin'), join(home, 'sbin')]);
  const server = await findProgram('rabbitmq-server', [...inPath, '/usr/lib/rabbitmq/bin', ...brewed]);
  if (!server) throw new Unavailable('no RabbitMQ is installed here');
  const erlangs = HOMEBREW.flatMap((home) => [join(home, 'opt/erlang/bin'), join(home, 'bin')]);
  const erl = await findProgram('erl', [...inPath, '/usr/lib/erlang/bin', ...erlangs]);
  if (!erl) throw new Unavailable(`there is ${server}, but no Erlang (erl) to run it`);
  return rabbitPrograms(server, await realpath(erl), env);
}

/** @param erl Erlang's program, in the folder that also has epmd */
export function rabbitPrograms(server: string, erl: string, env: NodeJS.ProcessEnv): RabbitPrograms {
  const folder = dirname(erl);
  return { server, epmd: join(folder, 'epmd'), path: `${folder}:${env.PATH ?? '/usr/bin:/bin'}` };
}

/**
 * Starts a private RabbitMQ node: own folder, ports, name, cookie and user, loopback only.
 *
 * Erlang nodes find each other through `epmd`, a daemon that the first node starts and that outlives it. This node gets
 * its own epmd on its own port, started and ended by the same supervisor.
 */
export async function runRabbit(programs: RabbitPrograms, { tls }: Pick<Context, 'tls'> = {}): Promise<Service> {
  const folder = join(tmpdir(), `onecontact-rabbitmq-${randomBytes(6).toString('hex')}`);
  const password = randomBytes(16).toString('hex');
  const at = (name: string): string => join(folder, name);

  return onFreePorts(4, async ([port, distributionPort, epmdPort, tlsPort]) => {
    const tlsLines = [
      `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
      `ssl_options.certfile = ${at('server.pem')}`,
      `ssl_options.keyfile = ${at('server.key')}`,
      'ssl_options.verify = verify_none', // clients show a password, not a certificate
    ];
    const env = {
      ...environment(programs.path, at),
      RABBITMQ_NODENAME: `onecontact-${port}@localhost`,
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_DEFAULT_USER: USER,
      RABBITMQ_DEFAULT_PASS: password,
      ERL_EPMD_PORT: String(epmdPort),
    };
    const lines = [`listeners.tcp.1 = 127.0.0.1:${port}`, 'log.console = true', 'log.file = false'];
    const { output, stop } = await keep({
      folder,
      directories: [at('home'), at('log')],
      files: [
        { path: at('home/.erlang.cookie'), content: randomBytes(16).toString('hex'), mode: 0o400 },
        { path: at('enabled_plugins'), content: '[].\n' },
        { path: at('rabbitmq.conf'), content: [...lines, ...(tls ? tlsLines : []), ''].join('\n') },
        ...certificateFiles(folder, tls),
      ],
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

/** Moves every path that a node uses by default from the system's folders to the node's own. */
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
    // Loopback only, and no busy waiting: tests need the processor more than an idle broker does.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none',
    // Any value makes the start script exec the broker, so that a signal reaches it and not a shell.
    detached: '1',
  };
}

/** Starts the port mapper, then the node. */
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
