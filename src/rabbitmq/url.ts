import type { Options } from 'amqplib';
import { amqpUrlsProblem, splitAmqpUrls } from '../foundation/amqp-urls';
import { hostOf } from '../foundation/hosts';
import { BrokerRefusal } from './errors';

/** Detects a silent broker after 30 to 45 s; the server's default of 60 s would take up to three minutes. */
const HEARTBEAT_SECONDS = 15;

/**
 * Parses a list of AMQP URLs for amqplib, whose own parser reads percent-encoded passwords as Latin-1. Throws a
 * {@link BrokerRefusal} that contains no password, unlike the errors of amqplib and Node.
 */
export function parseAmqpUrls(text: string): Options.Connect[] {
  const problem = amqpUrlsProblem(text);
  if (problem !== undefined) throw new BrokerRefusal(`AMQP_URL ${problem}.`);
  return splitAmqpUrls(text).map((url) => parse(new URL(url)));
}

/** The hosts of a broker, in turn. Each round is in random order, so that processes spread over the nodes of a cluster. */
export class Hosts {
  /** The host to connect to. amqplib reads this object at each attempt. */
  readonly current: Options.Connect = {};
  #left: Options.Connect[] = [];

  constructor(private all: readonly Options.Connect[]) {
    this.turn();
  }

  /** Replaces the hosts: the next attempt is at one of these. */
  replace(hosts: readonly Options.Connect[]): void {
    this.all = hosts;
    this.#left = [];
    this.turn();
  }

  get count(): number {
    return this.all.length;
  }

  /** Call it after a failed attempt or a loss: the next attempt is at another host. */
  readonly turn = (): void => {
    if (this.#left.length === 0) this.#left = [...this.all];
    const [next] = this.#left.splice(Math.floor(Math.random() * this.#left.length), 1);
    for (const key of Object.keys(this.current)) Reflect.deleteProperty(this.current, key);
    Object.assign(this.current, next);
  };
}

function parse(url: URL): Options.Connect {
  const number = (name: string): number | undefined => {
    const value = url.searchParams.get(name);
    return value !== null && /^\d+$/.test(value) ? Number(value) : undefined;
  };
  const frameMax = number('frameMax');
  const channelMax = number('channelMax');
  return {
    protocol: url.protocol.slice(0, -1),
    hostname: hostOf(url),
    ...(url.port !== '' && { port: Number(url.port) }),
    ...((url.username !== '' || url.password !== '') && {
      username: decode(url.username),
      password: decode(url.password),
    }),
    vhost: url.pathname.slice(1), // amqplib decodes it itself
    heartbeat: number('heartbeat') ?? HEARTBEAT_SECONDS,
    ...(frameMax !== undefined && { frameMax }),
    ...(channelMax !== undefined && { channelMax }),
  };
}

/** The vhost of the first of the URLs. */
export function vhostOf(text: string): string {
  const [first = ''] = splitAmqpUrls(text);
  return decode(new URL(first).pathname.slice(1)) || '/';
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a bare % is literal
  }
}
