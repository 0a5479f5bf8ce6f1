/** The dead letters by reason, one of them, replay and drop. */
import type { FastifyInstance } from 'fastify';
import type { ConsoleContext } from '../frame/context';

export async function deadLetterRoutes(_app: FastifyInstance, _context: ConsoleContext): Promise<void> {}
