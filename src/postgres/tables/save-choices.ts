import type { Choice } from '../../contacts/facts/facts';
import { arrayLiteral } from '../array-literal';
import { Prisma } from '../generated/prisma/client';
import type { Write } from '../one-statement';

/**
 * Writes choices into the consent ledger. What is there stays, by the rule of `mergeChoices`: the refusal wins (the
 * greater act), the same act twice is proven if either is, the greater detail is kept. Returns the origins (`kind`, `key`)
 * of those that were incoming.
 */
export function insertChoices(choices: readonly Choice[]): Write {
  if (choices.length === 0) return null;
  const column = <T>(pick: (choice: Choice) => T): T[] => choices.map(pick);
  return Prisma.sql`
    INSERT INTO choice AS known (origin_kind, origin, newsletter, at, act, proven, source, lang, format, reason)
    SELECT origin_kind::origin_kind, origin, newsletter, to_timestamp(at / 1000), act::act, proven, source, lang, format, reason
    FROM unnest(
      ${arrayLiteral(column(({ origin }) => origin.kind))}::text[], ${arrayLiteral(column(({ origin }) => origin.key))}::text[],
      ${arrayLiteral(column(({ newsletter }) => newsletter))}::text[], ${arrayLiteral(column(({ at }) => at))}::float8[],
      ${arrayLiteral(column(({ act }) => act))}::text[], ${arrayLiteral(column(({ proven }) => proven))}::boolean[],
      ${arrayLiteral(column(({ source }) => source))}::text[], ${arrayLiteral(column(({ lang }) => lang))}::text[],
      ${arrayLiteral(column(({ format }) => format))}::text[], ${arrayLiteral(column(({ reason }) => reason))}::text[]
    ) AS x (origin_kind, origin, newsletter, at, act, proven, source, lang, format, reason)
    ON CONFLICT (origin, origin_kind, newsletter, at) DO UPDATE SET
      act = excluded.act,
      proven = excluded.proven OR (known.act = excluded.act AND known.proven),
      (source, lang, format, reason) = (
        SELECT w.source, w.lang, w.format, w.reason
        FROM (VALUES (excluded.source, excluded.lang, excluded.format, excluded.reason, 1),
                     (known.source, known.lang, known.format, known.reason, 2)) AS w (source, lang, format, reason, side)
        WHERE w.side = 1 OR known.act = excluded.act
        ORDER BY coalesce(w.source, '') COLLATE "C" DESC, coalesce(w.lang, '') COLLATE "C" DESC,
          coalesce(w.format, '') COLLATE "C" DESC, coalesce(w.reason, '') COLLATE "C" DESC
        LIMIT 1)
    WHERE excluded.act > known.act OR (excluded.act = known.act AND (
      (excluded.proven AND NOT known.proven)
      OR (coalesce(excluded.source, '') COLLATE "C", coalesce(excluded.lang, '') COLLATE "C",
          coalesce(excluded.format, '') COLLATE "C", coalesce(excluded.reason, '') COLLATE "C")
       > (coalesce(known.source, '') COLLATE "C", coalesce(known.lang, '') COLLATE "C",
          coalesce(known.format, '') COLLATE "C", coalesce(known.reason, '') COLLATE "C")))
    RETURNING origin_kind::text AS kind, origin AS key`;
}
