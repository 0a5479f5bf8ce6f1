import type { Options } from 'amqplib';
import { BrokerRefusal } from './errors';

/** Detects a silent broker after 30 to 45 s; the server's default of 60 s would take up to three minutes. */
const HEARTBEAT_SECONDS = 15;

/**
 * Parses an AMQP URL for amqplib, whose own parser reads percent-encoded passwords as Latin-1. Throws a
 * {@link BrokerRefusal} that does not contain the URL, unlike the errors of amqplib and Node.
 */
export function parseAmqpUrl(text: string): Options.Connect {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['amqp:', 'amqps:'].includes(url.protocol) || url.hostname === '') {
    throw new BrokerRefusal('AMQP_URL is not a URL like amqp://user:password@host:5672/vhost: correct it.');
  }
  const number = (name: string): number | undefined => {
    const value = url.searchParams.get(name);
    return value !== null && /^\d+$/.test(value) ? Number(value) : undefined;
  };
  const frameMax = number('frameMax');
  const channelMax = number('channelMax');
  return {
    protocol: url.protocol.slice(0, -1),
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
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
  const [first = ''] = text.split(/,(?=amqps?:)/, 1);
  return decode(new URL(first).pathname.slice(1)) || '/';
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a bare % is literal
  }
}
