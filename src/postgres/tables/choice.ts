import type { Choice, Origin } from '../../contacts/facts/facts';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import { arrayLiteral } from '../array-literal';
import type { Queries } from '../database';
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

/** The consent ledger of some addresses and accounts. */
export async function loadChoices(db: Queries, { addresses, uids }: ConnectedComponent): Promise<Choice[]> {
  const rows = await db.$queryRaw<(Omit<Choice, 'origin'> & { origin: string; origin_kind: Origin['kind'] })[]>`
    SELECT ${selected(COLUMNS)} FROM choice
    WHERE (origin_kind = 'address' AND origin = ANY (${arrayLiteral(addresses)}::text[]))
       OR (origin_kind = 'account' AND origin = ANY (${arrayLiteral(uids)}::text[]))`;
  return rows.map(({ origin, origin_kind, ...choice }) => ({ ...choice, origin: { kind: origin_kind, key: origin } }));
}

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

/** A row's details in the order of `mergeChoices`: by bytes, null before every text. */
const orderedDetails = (row: 'excluded' | 'known' | 'w', separator = ','): Prisma.Sql =>
  Prisma.raw(
    ['fields', 'source', 'lang', 'format', 'reason']
      .map((name) => `coalesce(chr(1) || ${row}.${name}, '') COLLATE "C"`)
      .join(separator),
  );

/**
 * Adds choices to the consent ledger. For one with a stored key `mergeChoices` decides: the refusal wins (the greater
 * act), the same act twice is proven if either is, the greater detail is kept.
 *
 * @param returning what to return of each choice that changed the ledger
 */
export function insertChoices(choices: readonly Choice[], returning = Prisma.empty): Write {
  if (choices.length === 0) return null;
  return Prisma.sql`
    INSERT INTO choice AS known (${namesOf(COLUMNS)}) SELECT ${namesOf(COLUMNS)} FROM ${rowSource(choices, COLUMNS)}
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
