/** Leaves a broker and a database of the user's own as they were: removes only what was created since. */
import type { ChannelModel } from 'amqplib';
import type { Database } from '../../src/postgres/database';
import { Prisma } from '../../src/postgres/generated/prisma/client';
import { connect } from '../../src/rabbitmq/amqplib';
import { EXCHANGES } from '../../src/rabbitmq/names';
import { deleteAll } from '../../src/rabbitmq/topology/topology';
import { exists } from '../services/given';

export interface Inventory {
  exchanges: string[];
  objects: string[];
}

/** The exchanges and database objects before the demo. Queues are not listed: a broker with any of ours is refused. */
export async function inventory(amqpUrl: string, db: Database): Promise<Inventory> {
  const exchanges = await onBroker(amqpUrl, existingExchanges);
  return { exchanges, objects: (await objectsIn(db)).map(({ name }) => name) };
}

/** @returns the names of what could not be removed */
export async function cleanUp(amqpUrl: string, db: Database, before: Inventory): Promise<string[]> {
  const exchanges = await onBroker(amqpUrl, async (connection) => {
    await deleteAll(await connection.createChannel(), before.exchanges);
    return existingExchanges(connection);
  });
  const isNew = ({ name }: { name: string }): boolean => !before.objects.includes(name);
  for (const { kind, name } of (await objectsIn(db)).filter(isNew)) {
    await db.$executeRaw(Prisma.raw(`DROP ${kind} IF EXISTS ${name} CASCADE`));
  }
  const objects = (await objectsIn(db)).filter(isNew).map(({ name }) => name);
  return [...exchanges.filter((name) => !before.exchanges.includes(name)), ...objects];
}

async function onBroker<T>(amqpUrl: string, work: (connection: ChannelModel) => Promise<T>): Promise<T> {
  const connection = await connect(amqpUrl);
  connection.on('error', () => undefined);
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

async function existingExchanges(connection: ChannelModel): Promise<string[]> {
  const found: string[] = [];
  for (const exchange of EXCHANGES) {
    if (await exists(connection, (channel) => channel.checkExchange(exchange))) found.push(exchange);
  }
  return found;
}

interface DatabaseObject {
  kind: 'TABLE' | 'TYPE' | 'FUNCTION';
  name: string;
}

/** In the order in which they can be dropped: columns of tables use the types, and their triggers the functions. */
function objectsIn(db: Database): Promise<DatabaseObject[]> {
  return db.$queryRaw`
    SELECT 1 AS place, 'TABLE' AS kind, format('%I.%I', schemaname, tablename) AS name
    FROM pg_tables WHERE schemaname = current_schema()
    UNION ALL
    SELECT 2, 'TYPE', format('%I.%I', n.nspname, t.typname)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = current_schema() AND t.typtype = 'e'
    UNION ALL
    SELECT 3, 'FUNCTION', p.oid::regprocedure::text
    FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
    ORDER BY place, name`;
}
