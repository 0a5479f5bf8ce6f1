import { tlsProblem } from '../foundation/tls-problem';

/**
 * A refusal by the broker that waiting does not resolve: wrong credentials, a missing vhost, an invalid URL, an existing
 * queue with other arguments. The message is one sentence that tells an operator what to do, without password or URL.
 */
export class BrokerRefusal extends Error {
  override readonly name = 'BrokerRefusal';
}

/** AMQP reply code of an error of amqplib (404, 406, …), or a system error's code as text. */
export function codeOf(error: unknown): number | string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  const { code } = error;
  return typeof code === 'number' || typeof code === 'string' ? code : undefined;
}

/** The fields that a log line shows of a broker error; the error object itself may carry message content. */
export function describe(error: unknown): { reason: string; code?: number | string } {
  const reason = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  return code === undefined ? { reason } : { reason, code };
}

/** The certificate was refused, or the port does not use TLS: only a change of the configuration helps. */
const TLS_CODES =
  /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)|HOSTNAME_MISMATCH)/;

/**
 * The refusal behind a failed handshake if another attempt cannot succeed, else undefined. amqplib reports handshake
 * failures as text only; nothing else reads that text.
 */
export function refusalOf(error: unknown): BrokerRefusal | undefined {
  const { reason, code } = describe(error);
  if (/ACCESS[_-]REFUSED/.test(reason)) {
    return new BrokerRefusal('The broker rejects the user name or password in AMQP_URL: correct them.', {
      cause: error,
    });
  }
  // amqplib hides the broker's reason: a missing vhost, no access to it, or too many connections to it.
  if (/Expected ConnectionOpenOk; got <ConnectionClose/.test(reason)) {
    return new BrokerRefusal(
      'The broker does not open the vhost in AMQP_URL: create it, or grant the user access to it. The log of the broker says which.',
      { cause: error },
    );
  }
  if (typeof code === 'string' && TLS_CODES.test(code)) {
    return new BrokerRefusal(tlsProblem('broker', code), { cause: error });
  }
  return undefined;
}

/** Shows only the system's error code: the text that holds it may also name a host. */
export function whyUnreachable(error: unknown): string {
  const { code, reason } = describe(error);
  const why = code ?? /\bE[A-Z]{3,}\b/.exec(reason)?.[0] ?? 'no answer';
  return `The broker cannot be reached (${why}): check AMQP_URL, and that the broker is up.`;
}

/**
 * Settles like `work`, but turns an error that an operator can solve into a {@link BrokerRefusal}.
 *
 * @param sentenceFor what to tell the operator; returns undefined for errors that pass through unchanged
 */
export async function explained<T>(
  work: PromiseLike<T>,
  sentenceFor: (error: unknown) => string | undefined,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const sentence = sentenceFor(error);
    throw sentence === undefined ? error : new BrokerRefusal(sentence, { cause: error });
  }
}

/** For {@link explained}: what an operator has to do about a queue that cannot be used. */
export const queueProblem =
  (queue: string) =>
  (error: unknown): string | undefined =>
    ({
      403: `The broker user lacks rights on the queue ${queue}: grant configure, write and read.`,
      404: `The broker has no queue ${queue}: check the vhost in AMQP_URL; \`onecontact start\` declares it.`,
      405: `Another command is working on the queue ${queue}: try again when it has ended.`,
    })[String(codeOf(error))];
