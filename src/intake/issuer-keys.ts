/** The public keys of the account provider, from its JWKS (RFC 7517). */
import { createLocalJWKSet, errors, type FlattenedJWSInput, type JSONWebKeySet, type JWSHeaderParameters } from 'jose';
import type { Logger } from 'pino';
import { parseJson } from '../foundation/json';

/** The keys cannot be read now, so a token can be neither accepted nor refused. */
export class KeysAway extends Error {
  override readonly name = 'KeysAway';

  constructor(readonly retryAfterSeconds: number) {
    super('The keys of the issuer cannot be read now');
  }
}

export interface IssuerKeysOptions {
  url: string;
  log: Logger;
  /** A clock that never goes back, in milliseconds. */
  now?: () => number;
  timeoutMs?: number;
}

/** A key that the issuer has withdrawn is accepted for at most this long. */
const MAX_AGE_MS = 600_000;
/** Tokens with made-up key ids must not become requests to the issuer. */
const PAUSE_MS = 10_000;
const TIMEOUT_MS = 3_000;
const MAX_BYTES = 65_536;

type FindKey = ReturnType<typeof createLocalJWKSet>;

/**
 * Keys are kept for ten minutes, then read again with the next token. After an unknown key id they are read again at
 * once, but never sooner than ten seconds after the last attempt.
 */
export class IssuerKeys {
  readonly #url: string;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #timeoutMs: number;
  readonly #stopping = new AbortController();
  #find: FindKey | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #problem: string | undefined;

  constructor({ url, log, now = () => performance.now(), timeoutMs = TIMEOUT_MS }: IssuerKeysOptions) {
    this.#url = url;
    this.#log = log;
    this.#now = now;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * The key that a token names.
   *
   * @throws JWKSNoMatchingKey if the issuer does not have it
   * @throws KeysAway if that cannot be found out
   */
  async find(header: JWSHeaderParameters, token: FlattenedJWSInput): ReturnType<FindKey> {
    const begin = this.#now();
    if (begin - this.#readAt >= MAX_AGE_MS) await this.read();
    try {
      return await (this.#find as FindKey)(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || this.#readAt >= begin) throw error;
    }
    await this.read();
    return (this.#find as FindKey)(header, token);
  }

  /** Why the keys cannot be read, for the health check. Calling it also starts another attempt to read them. */
  problems(): string[] {
    if (this.#problem === undefined) return [];
    this.read().catch(() => undefined);
    return [
      `The keys of the account provider cannot be read (${this.#problem}): check ACCOUNTS_JWKS_URL, and that its server is up. Tokens are answered 503.`,
    ];
  }

  /**
   * Reads the keys, unless that was tried a moment ago. Concurrent callers share one request.
   *
   * @throws KeysAway
   */
  async read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  /** Ends a request to the issuer. */
  close(): void {
    this.#stopping.abort();
  }

  async #read(): Promise<void> {
    const wait = this.#triedAt + PAUSE_MS - this.#now();
    if (wait > 0) throw new KeysAway(Math.ceil(wait / 1_000));
    const begin = this.#now();
    this.#triedAt = begin;
    try {
      this.#find = createLocalJWKSet(await this.#fetch());
      this.#readAt = this.#now();
      if (this.#problem !== undefined) this.#log.info('keys of the account provider read again');
      this.#problem = undefined;
    } catch (error) {
      const problem = problemOf(error);
      if (problem !== this.#problem) this.#log.warn({ problem }, 'keys of the account provider could not be read');
      this.#problem = problem;
      throw new KeysAway(PAUSE_MS / 1_000);
    }
  }

  async #fetch(): Promise<JSONWebKeySet> {
    const answer = await fetch(this.#url, {
      headers: { accept: 'application/json' },
      // A redirect could lead to a URL without TLS.
      redirect: 'error',
      signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(this.#timeoutMs)]),
    });
    if (answer.status !== 200) {
      await answer.body?.cancel();
      throw new Unusable(`HTTP ${answer.status}`);
    }
    const keys = parseJson(await textOf(answer)) as Partial<JSONWebKeySet> | null | undefined;
    // With an empty set of keys, every token would be refused permanently.
    if (!Array.isArray(keys?.keys) || keys.keys.length === 0) throw new Unusable('the answer is not a set of keys');
    return keys as JSONWebKeySet;
  }
}

class Unusable extends Error {}

async function textOf(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of answer.body ?? []) {
    length += part.length;
    if (length > MAX_BYTES) throw new Unusable(`the answer has more than ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Shows only codes, because other texts may contain the URL. */
function problemOf(error: unknown): string {
  if (error instanceof Unusable) return error.message;
  const { name, code, cause } = error as Error & { code?: unknown };
  if (name === 'TimeoutError') return 'no answer in time';
  const told = code ?? (cause as { code?: unknown } | undefined)?.code;
  return typeof told === 'string' ? told : name;
}
