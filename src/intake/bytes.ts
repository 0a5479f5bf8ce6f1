import type { FastifyInstance } from 'fastify';
import { encodedBody } from '../http/answers';
import type { Check } from '../http/authorise';

/** Has the bodies of this type, or of any type for `*`, read as they are. */
export function takeBytes(app: FastifyInstance, type: string): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

/** A small compressed body can become a very large one. */
export const refuseEncodings: Check = async ({ headers }, reply) =>
  /^(identity)?$/i.test(headers['content-encoding'] ?? '') ? undefined : encodedBody(reply);
