export interface Context {
  log: (line: string) => void;
  env: NodeJS.ProcessEnv;
  /** True: the database writes through to the disk at every commit, as in production. For benchmarks. */
  durable: boolean;
  /** More settings of the database, such as `shared_buffers=1GB`; not for a database named by the user. */
  settings?: readonly string[];
  /** Makes both servers accept TLS too, with this certificate. Only with the sources `local` and `fetch`. */
  tls?: Certificate;
}

/** PEM. */
export interface Certificate {
  certificate: string;
  key: string;
}

/** A server that answers. */
export interface Service {
  url: string;
  /** Where the server accepts TLS, if asked to. PostgreSQL does so at its usual port. */
  tlsUrl?: string;
  /** For people: "RabbitMQ 4.0.5". */
  version: string;
  stop(): Promise<void>;
}

/** Why a source has no server to offer. The next source is tried. */
export class Unavailable extends Error {}

/** No network, or a wrong setting of it. The message ends with what to check. */
export class Unreachable extends Unavailable {}
