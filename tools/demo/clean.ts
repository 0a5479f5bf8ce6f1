/** Leaves a user's own broker and database as they were found: only what came to be since is taken away. */
import { connect } from 'amqplib';
import type { Database } from '../../src/postgres/database';
import { Prisma } from '../../src/postgres/generated/prisma/client';
import { EXCHANGES } from '../../src/rabbitmq/names';
import { deleteAll } from '../../src/rabbitmq/topology';

export interface Found {
  exchanges: string[];
  objects: string[];
}

/** What is there before the demo. (That none of our queues is, tools/services has seen to.) */
export async function lookAround(amqpUrl: string, db: Database): Promise<Found> {
  return { exchanges: await existingExchanges(amqpUrl), objects: (await objectsIn(db)).map(({ name }) => name) };
}

/** @returns the names of what is left behind all the same: none */
export async function cleanUp(amqpUrl: string, db: Database, found: Found): Promise<string[]> {
  const connection = await connect(amqpUrl);
  connection.on('error', () => undefined);
  try {
    const channel = await connection.createChannel();
    await deleteAll(channel, found.exchanges);
  } finally {
    await connection.close();
  }
  const isNew = ({ name }: { name: string }): boolean => !found.objects.includes(name);
  for (const { kind, name } of (await objectsIn(db)).filter(isNew)) {
    await db.$executeRaw(Prisma.raw(`DROP ${kind} IF EXISTS ${name} CASCADE`));
  }
  const left = (await existingExchanges(amqpUrl)).filter((name) => !found.exchanges.includes(name));
  return [...left, ...(await objectsIn(db)).filter(isNew).map(({ name }) => name)];
}

async function existingExchanges(amqpUrl: string): Promise<string[]> {
  const connection = await connect(amqpUrl);
  connection.on('error', () => undefined);
  try {
    const there: string[] = [];
    for (const exchange of EXCHANGES) {
      // A check of one that is not there closes its channel: each gets one of its own.
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      const found = await channel.checkExchange(exchange).then(
        () => true,
        () => false,
      );
      if (found) there.push(exchange);
    }
    return there;
  } finally {
    await connection.close();
  }
}

/** Tables first: their columns have the types. */
function objectsIn(db: Database): Promise<{ kind: 'TABLE' | 'TYPE'; name: string }[]> {
  return db.$queryRaw`
    SELECT 'TABLE' AS kind, format('%I.%I', schemaname, tablename) AS name
    FROM pg_tables WHERE schemaname = current_schema()
    UNION ALL
    SELECT 'TYPE', format('%I.%I', n.nspname, t.typname)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = current_schema() AND t.typtype = 'e'
    ORDER BY kind, name`;
}
