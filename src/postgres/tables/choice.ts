import type { Time } from '../../contacts/facts/event';
import type { Choice, Origin } from '../../contacts/facts/facts';
import type { Refused } from '../../contacts/facts/refused';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries, Transaction } from '../database';
import { Prisma } from '../generated/prisma/client';
import { type Columns, namesOf, rowSource, selected, type Write } from '../statement';

const COLUMNS: Columns<Choice> = {
  origin_kind: ['origin_kind', ({ origin }) => origin.kind],
  origin: ['text', ({ origin }) => origin.key],
  newsletter: ['text', ({ newsletter }) => newsletter],
  at: ['time', ({ at }) => at],
  act: ['act', ({ act }) => act],
  proven: ['boolean', ({ proven }) => proven],
  source: ['repeated text', ({ source }) => source],
  lang: ['text', ({ lang }) => lang],
  format: ['text', ({ format }) => format],
  reason: ['repeated text', ({ reason }) => reason],
  fields: ['text', ({ fields }) => fields],
};

/** Includes the column that only a `set` needs: most batches have no set, and leave it out. */
const ALL_COLUMNS: Columns<Choice> = {
  ...COLUMNS,
  refused: ['repeated text', ({ refused }) => (refused ? JSON.stringify(refused) : null)],
};

/** The consent ledger of some addresses and accounts. */
export async function loadChoices(db: Queries, { addresses, uids }: ConnectedComponent): Promise<Choice[]> {
  const rows = await db.$queryRaw<ChoiceRow<Choice>[]>`
    SELECT ${selected(ALL_COLUMNS)} FROM choice
    WHERE (origin_kind = 'address' AND origin = ANY (${arrayLiteral(addresses)}::text[]))
       OR (origin_kind = 'account' AND origin = ANY (${arrayLiteral(uids)}::text[]))`;
  return rows.map(choiceOfRow);
}

/** Whether an opt-out from this source was made at an address, at this time or later. */
export async function hasOptOutFrom(
  db: Queries,
  source: string,
  { address, since = 0 }: { address: string; since?: Time },
): Promise<boolean> {
  const rows = await db.$queryRaw<object[]>`
    SELECT 1 FROM choice
    WHERE origin = ${address} AND origin_kind = 'address' AND newsletter = '' AND act = 'opt_out' AND source = ${source}
      AND at >= to_timestamp(${since}::float8 / 1000)
    LIMIT 1`;
  return rows.length > 0;
}

/** A choice of the consent ledger, with the contact that its origin has now. */
export interface StoredChoice extends Choice {
  contactId: string | null;
}

const CHOICES_IN_PAGE = 2_000;

/**
 * The whole consent ledger in the order of its key, page by page and in constant memory: call it in a snapshot.
 *
 * @param each awaited before the next page is read
 */
export async function readLedger(tx: Transaction, each: (page: StoredChoice[]) => Promise<void>): Promise<void> {
  await tx.$executeRaw`
    DECLARE every_choice NO SCROLL CURSOR FOR
    SELECT ${selected(ALL_COLUMNS)},
      CASE origin_kind WHEN 'address' THEN (SELECT contact_id FROM email_address WHERE address = choice.origin)
        ELSE (SELECT contact_id FROM account WHERE uid = choice.origin) END AS "contactId"
    FROM choice ORDER BY choice.origin, choice.origin_kind, choice.newsletter, choice.at`;
  for (;;) {
    const rows = await tx.$queryRawUnsafe<ChoiceRow<StoredChoice>[]>(`FETCH ${CHOICES_IN_PAGE} FROM every_choice`);
    if (rows.length === 0) return;
    await each(rows.map(choiceOfRow));
  }
}

/** Roughly how many choices there are, by the server's last count; null if it has not counted yet. */
export async function countChoices(db: Queries): Promise<number | null> {
  const [row] = await db.$queryRaw<{ count: number }[]>`
    SELECT reltuples::float8 AS count FROM pg_class WHERE oid = 'choice'::regclass`;
  return row && row.count > 0 ? row.count : null;
}

type ChoiceRow<C extends Choice> = Omit<C, 'origin' | 'refused'> & {
  origin: string;
  origin_kind: Origin['kind'];
  refused: string | null;
};

const choiceOfRow = <C extends Choice>({ origin, origin_kind, refused, ...choice }: ChoiceRow<C>) => ({
  ...choice,
  origin: { kind: origin_kind, key: origin },
  ...(refused !== null && { refused: JSON.parse(refused) as Refused }),
});

type ChoiceKey = Pick<Choice, 'origin' | 'newsletter' | 'at'>;

const KEY = {
  origin_kind: ['origin_kind', ({ origin }) => origin.kind],
  origin: ['text', ({ origin }) => origin.key],
  newsletter: ['text', ({ newsletter }) => newsletter],
  at: ['time', ({ at }) => at],
} satisfies Columns<ChoiceKey>;

/** Whether each of some choices is stored. */
export async function areStored(db: Queries, keys: readonly ChoiceKey[]): Promise<boolean[]> {
  const stored = keys.map(() => false);
  if (keys.length === 0) return stored;
  const rows = await db.$queryRaw<{ ordinal: number }[]>`
    SELECT ordinal::int FROM ${rowSource(keys, KEY)} JOIN choice USING (origin_kind, origin, newsletter, at)`;
  for (const { ordinal } of rows) stored[ordinal - 1] = true;
  return stored;
}

/** Whether a row is a set that refuses a newsletter: `isRefusedBy`. Its key sorts before every newsletter's name. */
export const isSetRefusing = (row: string, newsletter: string): Prisma.Sql =>
  Prisma.raw(`(
    ${row}.newsletter > ' ' AND ${row}.newsletter < '!' AND ${row}.act = 'set'
    AND (${row}.refused::jsonb -> 'only' @> to_jsonb(${newsletter})
      OR NOT ${row}.refused::jsonb -> 'all_but' @> to_jsonb(${newsletter})))`);

/** A row's details in the order of `mergeChoices`: by bytes, null before every text. */
const orderedDetails = (row: 'excluded' | 'known' | 'w', separator = ','): Prisma.Sql =>
  Prisma.raw(
    ['fields', 'source', 'lang', 'format', 'reason']
      .map((name) => `coalesce(chr(1) || ${row}.${name}, '') COLLATE "C"`)
      .join(separator),
  );

/**
 * Adds choices to the consent ledger. If the key is already stored, the result is that of `mergeChoices`: the refusal wins
 * (the greater act), the same act twice is proven if either is, the greater detail is kept.
 *
 * @param returning what to return of each choice that changed the ledger
 */
export function insertChoices(choices: readonly Choice[], returning = Prisma.empty): Write {
  if (choices.length === 0) return null;
  const columns = choices.some(({ act }) => act === 'set') ? ALL_COLUMNS : COLUMNS;
  return Prisma.sql`
    INSERT INTO choice AS known (${namesOf(columns)}) SELECT ${namesOf(columns)} FROM ${rowSource(choices, columns)}
    ON CONFLICT (origin, origin_kind, newsletter, at) DO UPDATE SET
      act = excluded.act,
      proven = excluded.proven OR (known.act = excluded.act AND known.proven),
      (source, lang, format, reason, fields) = (
        SELECT w.source, w.lang, w.format, w.reason, w.fields
        FROM (VALUES
          (excluded.source, excluded.lang, excluded.format, excluded.reason, excluded.fields, 1),
          (known.source, known.lang, known.format, known.reason, known.fields, 2)
        ) AS w (source, lang, format, reason, fields, side)
        WHERE w.side = 1 OR known.act = excluded.act
        ORDER BY ${orderedDetails('w', ' DESC, ')} DESC
        LIMIT 1)
    WHERE excluded.act > known.act OR (excluded.act = known.act AND (
      (excluded.proven AND NOT known.proven)
      OR (${orderedDetails('excluded')}) > (${orderedDetails('known')})))
    ${returning}`;
}
