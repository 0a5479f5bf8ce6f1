import type { Queries } from './database';
import { Prisma } from './generated/prisma/client';

/** What writes rows of one table; null where there is nothing to write. */
export type Write = Prisma.Sql | null;

/**
 * Runs writes as parts of one statement: one round trip for all of them. Each sees the database as it was before any, so
 * no two may be about the same row.
 */
export async function inOneStatement(tx: Queries, writes: readonly Write[]): Promise<void> {
  const parts = writes.filter((write) => write !== null);
  const [only] = parts;
  if (only === undefined) return;
  if (parts.length === 1) return void (await tx.$executeRaw(only));
  const named = parts.map((part, place) => Prisma.sql`${Prisma.raw(`part_${place + 1}`)} AS (${part})`);
  await tx.$executeRaw`WITH ${Prisma.join(named)} SELECT`;
}
