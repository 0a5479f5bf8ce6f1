/** Whether each part works, and what to do if not. */
import type { FastifyInstance } from 'fastify';
import type { ConsoleContext } from '../frame/context';

export async function healthRoutes(_app: FastifyInstance, _context: ConsoleContext): Promise<void> {}
