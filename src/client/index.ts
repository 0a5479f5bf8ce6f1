/**
 * A client of OneContact's HTTP interface, and the types of its answers and messages. It has no dependencies, and needs
 * only the `fetch` of Node, a browser or a worker.
 *
 *     import { OneContactClient } from 'onecontact/client';
 *     const onecontact = new OneContactClient({ url: 'http://127.0.0.1:8080', apiKey });
 *     const contact = await onecontact.contact({ email: 'ada@mail.test' });
 */
import type {
  ChangeBody,
  ChangesAnswer,
  ErrorBody,
  HistoryBody,
  IntakeAnswer,
  IntakeRequest,
  LookupAnswer,
  LookupKeyBody,
  PreferencesBody,
} from '../messages/http/schemas';
import type { ContactBody } from '../messages/outgoing/contact-schema';

export type { AccountEvent, ContactEvent, ContactEvents, NewsletterEvent } from './events';
export type Change = ChangeBody;
export type Changes = ChangesAnswer;
export type Contact = ContactBody;
export type History = HistoryBody;
/** One newsletter message, which may leave its time to the service, or up to 500 with their times. */
export type Events = IntakeRequest;
export type EventsAnswer = IntakeAnswer;
export type LookupKey = LookupKeyBody;
export type Preferences = PreferencesBody;

/** One page of a list. */
export interface Page {
  /** The `next` of the page before; absent for the first page. */
  after?: string | undefined;
  limit?: number | undefined;
}

export interface ClientOptions {
  /** Where the service listens, such as `http://127.0.0.1:8080`. */
  url: string;
  /** A key with the scope `read`, or `write` to send. Preferences need no key, nor does a local service without keys. */
  apiKey?: string | undefined;
  /** How long an answer may take. @default 10000 */
  timeoutMs?: number | undefined;
  /** Ends every request. */
  signal?: AbortSignal | undefined;
}

/** An answer other than a contact or "not found". The message has the description, never the key. */
export class OneContactError extends Error {
  override readonly name = 'OneContactError';

  constructor(
    /**
     * The HTTP status: 400 malformed, 401 no valid key, 403 without the scope, 410 a cursor from before a restore, 413
     * too large, 429 too often, 503 busy or away.
     */
    readonly status: number,
    readonly body: ErrorBody | null,
    /** When to try again, after 429 and 503. */
    readonly retryAfterSeconds: number | null,
  ) {
    super(`OneContact answered ${status}: ${body?.desc ?? 'a body that is not from OneContact'}`);
  }
}

/** The highest number of keys in one request. */
const MAX_KEYS = 500;
const TIMEOUT_MS = 10_000;

export class OneContactClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = { ...options, url: options.url.replace(/\/+$/, '') };
  }

  /** The live contact that a key opens; null for every other key, whether malformed, unknown or retired. */
  contact(key: LookupKey): Promise<Contact | null> {
    return this.#find<Contact>(pathOf(key));
  }

  /**
   * The contact of each key, in order, with one request per 500 keys.
   *
   * @throws OneContactError with the places of malformed keys
   */
  async contacts(keys: readonly LookupKey[]): Promise<(Contact | null)[]> {
    const contacts: (Contact | null)[] = [];
    for (let start = 0; start < keys.length; start += MAX_KEYS) {
      const body = JSON.stringify({ keys: keys.slice(start, start + MAX_KEYS) });
      const answer = await this.#ask('/contacts/lookup', { method: 'POST', body });
      if (!answer.ok) throw await errorOf(answer);
      contacts.push(...((await answer.json()) as LookupAnswer).contacts);
    }
    return contacts;
  }

  /** A page of the merges that led to a live contact; null for every other id. Its `next` is the `after` of the next page. */
  history(contactId: string, page: Page = {}): Promise<History | null> {
    return this.#find<History>(`/contacts/${encodeURIComponent(contactId)}/history${queryOf(page)}`);
  }

  /**
   * A page of the change feed. Its `next` is the `after` of the next page: store it together with the changes.
   *
   * @throws OneContactError with status 410 if the cursor is from before a restore: read everything again
   */
  async changes(page: Page = {}): Promise<Changes> {
    const answer = await this.#ask(`/changes${queryOf(page)}`);
    if (!answer.ok) throw await errorOf(answer);
    return (await answer.json()) as Changes;
  }

  /** What a preference page shows to the reader with this token; null for every other token. */
  preferences(token: string): Promise<Preferences | null> {
    return this.#find<Preferences>(`/preferences/${encodeURIComponent(token)}`);
  }

  /**
   * Hands newsletter messages to the broker, either all or none. Their effect follows once a worker has handled them.
   *
   * @throws OneContactError with the places of what is wrong (400). After a 503 or without an answer, send the same messages
   * again. So that this has no further effect, give each message its `ts` yourself, or take it from `body.events`.
   */
  async send(events: Events): Promise<EventsAnswer> {
    const answer = await this.#ask('/events/newsletter', { method: 'POST', body: JSON.stringify(events) });
    if (!answer.ok) throw await errorOf(answer);
    return (await answer.json()) as EventsAnswer;
  }

  async #find<T>(path: string): Promise<T | null> {
    const answer = await this.#ask(path);
    if (answer.ok) return (await answer.json()) as T;
    const error = await errorOf(answer);
    // Another 404 comes from a wrong URL.
    if (answer.status === 404 && error.body?.code === 4) return null;
    throw error;
  }

  #ask(path: string, request: { method?: string; body?: string } = {}): Promise<Response> {
    const { url, apiKey, timeoutMs = TIMEOUT_MS, signal } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    return fetch(url + path, {
      ...request,
      headers: {
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      },
      // The key must not be sent to another host.
      redirect: 'error',
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  }
}

function queryOf({ after, limit }: Page): string {
  const query = new URLSearchParams({ ...(after && { after }), ...(limit !== undefined && { limit: String(limit) }) });
  return query.size > 0 ? `?${query}` : '';
}

function pathOf(key: LookupKey): string {
  if ('email' in key) return `/contacts/by-email/${encodeURIComponent(key.email)}`;
  if ('token' in key) return `/contacts/by-token/${encodeURIComponent(key.token)}`;
  if ('account' in key) return `/contacts/by-account/${encodeURIComponent(key.account)}`;
  return `/contacts/${encodeURIComponent(key.id)}`;
}

async function errorOf(answer: Response): Promise<OneContactError> {
  const retryAfter = answer.headers.get('retry-after');
  const body = (await answer.json().catch(() => null)) as Partial<ErrorBody> | null;
  const isOurs = body?.status === 'error' && typeof body.code === 'number' && typeof body.desc === 'string';
  return new OneContactError(
    answer.status,
    isOurs ? (body as ErrorBody) : null,
    retryAfter ? Number(retryAfter) : null,
  );
}
