/** The merges: a list, one merge side by side, undo and unblock. */
import type { FastifyInstance } from 'fastify';
import type { ConsoleContext } from '../frame/context';

export async function mergeRoutes(_app: FastifyInstance, _context: ConsoleContext): Promise<void> {}
