import type { FastifyInstance } from 'fastify';
import { encodedBody } from '../http/answers';
import type { Check } from '../http/authorise';

/** Lets bodies of this type (`*`: of any type) be read as plain bytes. */
export function takeBytes(app: FastifyInstance, type: string): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

/** Compressed bodies are refused, because a small one can become a very large one. */
export const refuseEncodings: Check = async ({ headers }, reply) =>
  /^(identity)?$/i.test(headers['content-encoding'] ?? '') ? undefined : encodedBody(reply);
