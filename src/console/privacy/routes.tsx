/** What a reader may ask for: opt-out, erasure, and the proof of their consent. */
import type { FastifyInstance } from 'fastify';
import type { ConsoleContext } from '../frame/context';

export async function privacyRoutes(_app: FastifyInstance, _context: ConsoleContext): Promise<void> {}
