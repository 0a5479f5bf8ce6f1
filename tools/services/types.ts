/** Where a server may come from, in the order in which they are tried. */
export const SOURCES = ['url', 'docker', 'local', 'fetch'] as const;
export type Source = (typeof SOURCES)[number];

/** What every source gets: how to say what it does, and what the caller wants. */
export interface Context {
  log: (line: string) => void;
  env: NodeJS.ProcessEnv;
  /** True: the database must survive a power cut, as in production (for benchmarks). Tests do not need that. */
  durable: boolean;
  /** Settings of the database besides, such as `shared_buffers=1GB`. */
  settings?: readonly string[];
  /** Have both servers speak TLS besides, with this certificate (PEM). Only for private servers: `local` and `fetch`. */
  tls?: Certificate;
}

export interface Certificate {
  certificate: string;
  key: string;
}

/** A server that answers. */
export interface Service {
  url: string;
  /** Where it speaks TLS, if it was to: the same server. For PostgreSQL the same port. */
  tlsUrl?: string;
  /** What it is, for people: "RabbitMQ 4.0.5". */
  version: string;
  stop(): Promise<void>;
}

/** This source has no server to offer, and here is why: the next one is tried. */
export class Unavailable extends Error {}

/** One of the two servers, and how each source gets it. */
export interface Kind {
  name: string;
  /** The variable that names a server of the user's own. */
  variable: 'TEST_AMQP_URL' | 'TEST_DATABASE_URL';
  sources: Record<Source, (context: Context) => Promise<Service>>;
}
