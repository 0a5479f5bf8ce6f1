/** Statements over many rows: one table's columns described once, and several writes in one round trip. */
import { arrayLiteral, columnLiteral } from './array-literal';
import type { Queries } from './database';
import { Prisma } from './generated/prisma/client';

/**
 * `time` is a timestamp in the database and milliseconds since 1970 here. `repeated text` is text that many rows share and
 * that may be long, such as the source of a sign-up for many newsletters: it is sent once. The other types are PostgreSQL's.
 */
type ColumnType = 'text' | 'repeated text' | 'uuid' | 'boolean' | 'int' | 'json' | 'time' | EnumType;
type EnumType = 'act' | 'claim_status' | 'contact_state' | 'origin_kind' | 'side' | 'token_policy';

/** Columns of a table by name, each with its type and its value in a row. */
export type Columns<Row> = Readonly<
  Record<string, readonly [type: ColumnType, pick: (row: Row) => string | number | boolean | null]>
>;

/** The names of columns, for an INSERT. */
export const namesOf = (columns: Columns<never>): Prisma.Sql => Prisma.raw(Object.keys(columns).join(', '));

/** Columns for a SELECT, as this code reads them. */
export const selected = (columns: Columns<never>): Prisma.Sql =>
  Prisma.raw(
    Object.entries(columns)
      .map(([name, [type]]) => (type === 'time' ? `${milliseconds(name)} AS ${name}` : asRead(name, type)))
      .join(', '),
  );

/** `date_part` works with doubles. `extract` works with decimals, which takes several times as long. */
const milliseconds = (column: string): string => `round(date_part('epoch', ${column}) * 1000)`;

const asRead = (name: string, type: ColumnType): string => (BUILT_IN.has(type) ? name : `${name}::text AS ${name}`);
const BUILT_IN = new Set<ColumnType>(['text', 'repeated text', 'uuid', 'boolean', 'int', 'json']);

/** All columns but the first `keys` as assignments from `x`, for an UPDATE. */
export const assigned = (columns: Columns<never>, keys = 1): Prisma.Sql =>
  Prisma.raw(
    Object.keys(columns)
      .slice(keys)
      .map((name) => `${name} = x.${name}`)
      .join(', '),
  );

/** A row source `x` with these columns, for an INSERT or an UPDATE; `x.ordinal` keeps the order of the rows. */
export function rowSource<Row>(rows: readonly Row[], columns: Columns<Row>): Prisma.Sql {
  const entries = Object.entries(columns);
  const arrays: Prisma.Sql[] = [];
  const values: Prisma.Sql[] = [];
  for (const [name, [type, pick]] of entries) {
    const column = Prisma.raw(name);
    if (type === 'repeated text') {
      const { texts, places } = withoutRepetition(rows, pick);
      arrays.push(Prisma.sql`${columnLiteral(places, (place) => place)}::int[]`);
      values.push(Prisma.sql`(${arrayLiteral(texts)}::text[])[${column}] AS ${column}`);
    } else {
      arrays.push(Prisma.sql`${columnLiteral(rows, pick)}::${Prisma.raw(type === 'time' ? 'float8' : type)}[]`);
      values.push(type === 'time' ? Prisma.sql`to_timestamp(${column} / 1000) AS ${column}` : column);
    }
  }
  return Prisma.sql`(
    SELECT ${Prisma.join(values)}, ordinal
    FROM unnest(${Prisma.join(arrays)}) WITH ORDINALITY AS y (${namesOf(columns)}, ordinal)
  ) AS x`;
}

/** The different texts of some rows, and the place of each row's text among them, from 1 on. */
function withoutRepetition<Row>(rows: readonly Row[], pick: Columns<Row>[string][1]) {
  const placeOf = new Map<string, number>();
  const places = rows.map((row) => {
    const text = pick(row) as string | null;
    if (text === null) return null;
    const place = placeOf.get(text) ?? placeOf.size + 1;
    placeOf.set(text, place);
    return place;
  });
  return { texts: [...placeOf.keys()], places };
}

/** Writes rows of one table; null if there is nothing to write. */
export type Write = Prisma.Sql | null;

/**
 * Runs writes as parts of one statement: one round trip for all of them. Each part sees the database as it was before
 * all of them, so no two may touch the same row.
 *
 * @param named queries that the writes may refer to, each as `name AS (…)`
 * @param selected what to return of them
 */
export async function inOneStatement<Row = never>(
  tx: Queries,
  writes: readonly Write[],
  { named = [], selected }: { named?: readonly Prisma.Sql[]; selected?: Prisma.Sql } = {},
): Promise<Row[]> {
  const parts = writes.filter((write) => write !== null);
  const [only] = parts;
  if (named.length === 0 && parts.length <= 1) {
    if (only !== undefined) await tx.$executeRaw(only);
    return [];
  }
  const queries = [
    ...named,
    ...parts.map((part, place) => Prisma.sql`${Prisma.raw(`part_${place + 1}`)} AS (${part})`),
  ];
  const statement = Prisma.sql`WITH ${Prisma.join(queries)} SELECT ${selected ?? Prisma.empty}`;
  if (selected) return tx.$queryRaw<Row[]>(statement);
  await tx.$executeRaw(statement);
  return [];
}
