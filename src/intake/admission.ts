import type { FastifyReply, FastifyRequest } from 'fastify';
import { busy } from '../http/answers';
import type { Check } from '../http/authorise';

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/**
 * Accepts `max` requests at once, and answers further ones 503. A request counts from this hook until it is answered and its
 * work is done, even if its client has left. As an `onRequest` hook it bounds the memory for bodies as well.
 */
export function atMostAtOnce(max: number): { admit: Check; working: (handler: Handler) => Handler } {
  let running = 0;
  const works = new WeakMap<FastifyRequest, Promise<unknown>>();
  const release = (): void => {
    running -= 1;
  };
  return {
    admit: async (request, reply) => {
      if (running >= max) return busy(reply, 'Too many requests at once: try again');
      running += 1;
      reply.raw.once('close', () => void Promise.resolve(works.get(request)).then(release, release));
      return undefined;
    },
    working: (handler) => (request, reply) => {
      const work = handler(request, reply);
      works.set(request, work);
      return work;
    },
  };
}
