/** What was changed by whom, and why. */
import type { FastifyInstance } from 'fastify';
import type { ConsoleContext } from '../frame/context';

export async function auditRoutes(_app: FastifyInstance, _context: ConsoleContext): Promise<void> {}
