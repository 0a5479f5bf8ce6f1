/** The claims that observe mode holds: what releasing them would do, and release. */
import type { FastifyInstance } from 'fastify';
import type { ConsoleContext } from '../frame/context';

export async function collisionRoutes(_app: FastifyInstance, _context: ConsoleContext): Promise<void> {}
