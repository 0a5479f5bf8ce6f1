import { tlsProblem } from '../foundation/tls-problem';

/**
 * A refusal by the broker that waiting does not cure: wrong credentials, no such vhost, a URL that is none, an existing
 * queue with other arguments. The message is one sentence for an operator and says what to do. It never holds a
 * password or a URL.
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

/** What goes into a log line about a broker error: never the error object itself, which may carry what was sent. */
export function describe(error: unknown): { reason: string; code?: number | string } {
  const reason = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  return code === undefined ? { reason } : { reason, code };
}

/** A handshake that failed for a certificate, or because nobody there speaks TLS: only a changed configuration helps. */
const TLS_CODES =
  /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)|HOSTNAME_MISMATCH)/;

/**
 * A clear refusal when the handshake failed in a way that trying again cannot cure, else nothing. amqplib gives
 * handshake failures as text only, so this is the one place that reads it.
 */
export function refusalOf(error: unknown): BrokerRefusal | undefined {
  const { reason, code } = describe(error);
  if (/ACCESS[_-]REFUSED/.test(reason)) {
    return new BrokerRefusal('The broker refuses the user name or password of AMQP_URL: correct the credentials.', {
      cause: error,
    });
  }
  // amqplib does not pass on what the broker says here: no such vhost, no access to it, or too many connections to it.
  if (/Expected ConnectionOpenOk; got <ConnectionClose/.test(reason)) {
    return new BrokerRefusal(
      'The broker does not open the vhost of AMQP_URL: create it, or give the user access to it (the log of the broker says which).',
      { cause: error },
    );
  }
  if (typeof code === 'string' && TLS_CODES.test(code)) {
    return new BrokerRefusal(tlsProblem('broker', code), { cause: error });
  }
  return undefined;
}
