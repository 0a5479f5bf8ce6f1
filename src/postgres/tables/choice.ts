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
  source: ['text', ({ source }) => source],
  lang: ['text', ({ lang }) => lang],
  format: ['text', ({ format }) => format],
  reason: ['text', ({ reason }) => reason],
};

/** The consent ledger of some addresses and accounts. */
export async function loadChoices(db: Queries, { addresses, uids }: ConnectedComponent): Promise<Choice[]> {
  const rows = await db.$queryRaw<(Omit<Choice, 'origin'> & { origin: string; origin_kind: Origin['kind'] })[]>`
    SELECT ${selected(COLUMNS)} FROM choice
    WHERE (origin_kind = 'address' AND origin = ANY (${arrayLiteral(addresses)}::text[]))
       OR (origin_kind = 'account' AND origin = ANY (${arrayLiteral(uids)}::text[]))`;
  return rows.map(({ origin, origin_kind, ...choice }) => ({ ...choice, origin: { kind: origin_kind, key: origin } }));
}

/** Compares details as `mergeChoices` does: by bytes, null before every text. */
const orderedDetails = (row: 'excluded' | 'known' | 'w'): Prisma.Sql => {
  const details = ['source', 'lang', 'format', 'reason'].map(
    (name) => `coalesce(chr(1) || ${row}.${name}, '') COLLATE "C"`,
  );
  return Prisma.raw(`(${details.join(', ')})`);
};

/**
 * Adds choices to the consent ledger. For one with a stored key `mergeChoices` decides: the refusal wins (the greater
 * act), the same act twice is proven if either is, the greater detail is kept. Returns the choices that changed the ledger.
 */
export function insertChoices(choices: readonly Choice[]): Write {
  if (choices.length === 0) return null;
  return Prisma.sql`
    INSERT INTO choice AS known (${namesOf(COLUMNS)}) SELECT ${namesOf(COLUMNS)} FROM ${rowSource(choices, COLUMNS)}
    ON CONFLICT (origin, origin_kind, newsletter, at) DO UPDATE SET
      act = excluded.act,
      proven = excluded.proven OR (known.act = excluded.act AND known.proven),
      (source, lang, format, reason) = (
        SELECT w.source, w.lang, w.format, w.reason
        FROM (VALUES (excluded.source, excluded.lang, excluded.format, excluded.reason, 1),
                     (known.source, known.lang, known.format, known.reason, 2)) AS w (source, lang, format, reason, side)
        WHERE w.side = 1 OR known.act = excluded.act
        ORDER BY ${orderedDetails('w')} DESC
        LIMIT 1)
    WHERE excluded.act > known.act OR (excluded.act = known.act AND (
      (excluded.proven AND NOT known.proven)
      OR ${orderedDetails('excluded')} > ${orderedDetails('known')}))
    RETURNING origin_kind, origin, newsletter, at, act, proven`;
}

interface Visible {
  /** Choices that may change what readers see. */
  visible: Pick<Choice, 'origin' | 'newsletter' | 'at'>[];
  /** Contacts that may show more than those of the origins: by an earlier ownership period, a predecessor, an undone merge. */
  others: string[];
}

/**
 * Adds choices to the consent ledger, and tells what of it readers can see.
 *
 * A repeated subscription changes no view: an earlier one at its origin belongs to the same contact, and no refusal of any
 * connected address or account is between them or, unless the earlier one is proven, an opt-out before them.
 *
 * @param unclear addresses whose claims the caller has not loaded
 * @param refreshed addresses where a profile field has the same value at another time, which then may win over others
 */
export async function insertVisibleChoices(
  tx: Queries,
  {
    choices,
    unclear,
    refreshed,
  }: { choices: readonly Choice[]; unclear: readonly string[]; refreshed: readonly string[] },
): Promise<Visible> {
  const added =
    insertChoices(choices) ??
    Prisma.sql`SELECT origin_kind, origin, newsletter, at, act, proven FROM choice WHERE false`;
  const rows = await tx.$queryRaw<{ kind: Origin['kind'] | 'contact'; key: string; newsletter: string; at: number }[]>`
    WITH RECURSIVE
    added AS (${added}),
    -- The table itself still shows what was stored before.
    news AS (
      SELECT added.* FROM added LEFT JOIN choice AS known USING (origin, origin_kind, newsletter, at)
      WHERE known.act IS DISTINCT FROM added.act OR known.proven <> added.proven
    ),
    earlier AS (
      SELECT news.*, before.at AS before_at, before.proven AS before_proven
      FROM news, LATERAL (
        SELECT at, act, proven FROM choice
        WHERE origin = news.origin AND origin_kind = news.origin_kind AND newsletter = news.newsletter AND at < news.at
        ORDER BY at DESC LIMIT 1
      ) AS before
      WHERE news.act = 'subscribe' AND before.act = 'subscribe' AND (before.proven OR NOT news.proven)
    ),
    reach (origin_kind, origin, kind, key) AS (
      (
        SELECT origin_kind::text, origin, origin_kind::text, origin FROM earlier
        UNION SELECT origin_kind::text, origin, origin_kind::text, origin FROM news
        WHERE act = 'opt_out' OR EXISTS (
          SELECT FROM address_claim AS claim
          WHERE claim.address = news.origin AND (claim.at >= news.at OR news.act = 'unsubscribe'))
        UNION SELECT 'address', key COLLATE "C", 'address', key COLLATE "C"
        FROM unnest(${arrayLiteral(refreshed)}::text[]) AS key
      )
      UNION
      SELECT reach.origin_kind, reach.origin, next.kind, next.key
      FROM reach, LATERAL (
        SELECT 'account' AS kind, uid AS key FROM address_claim WHERE reach.kind = 'address' AND address = reach.key
        UNION ALL
        SELECT 'address', address FROM address_claim WHERE reach.kind = 'account' AND uid = reach.key
      ) AS next
    ),
    repeated AS (
      SELECT origin_kind, origin, newsletter, at FROM earlier
      WHERE NOT EXISTS (
          SELECT FROM address_claim AS claim
          WHERE claim.address = earlier.origin AND claim.at >= earlier.before_at AND claim.at < earlier.at
            AND EXISTS (SELECT FROM address_claim AS other WHERE other.address = claim.address AND other.uid <> claim.uid))
        AND NOT EXISTS (
          SELECT FROM reach JOIN choice AS refusal ON refusal.origin = reach.key AND refusal.origin_kind = reach.kind::origin_kind
          WHERE reach.origin = earlier.origin AND reach.origin_kind = earlier.origin_kind::text AND refusal.at < earlier.at AND (
            (refusal.act = 'opt_out' AND (refusal.at >= earlier.before_at OR NOT earlier.before_proven))
            OR (refusal.act = 'unsubscribe' AND refusal.newsletter = earlier.newsletter AND refusal.at >= earlier.before_at)))
    ),
    visible AS (
      SELECT * FROM news
      WHERE NOT EXISTS (
        SELECT FROM repeated
        WHERE repeated.origin = news.origin AND repeated.origin_kind = news.origin_kind
          AND repeated.newsletter = news.newsletter AND repeated.at = news.at)
    ),
    several AS (
      SELECT address, max(at) AS last_at FROM address_claim
      WHERE address IN (SELECT origin FROM reach) GROUP BY address HAVING min(uid) <> max(uid)
    ),
    -- Origins whose choice or value other contacts may show.
    shared AS (
      SELECT origin_kind::text, origin FROM visible
      WHERE origin = ANY (${arrayLiteral(unclear)}::text[]) AND (
        EXISTS (SELECT FROM several WHERE several.address = visible.origin AND last_at >= visible.at)
        OR (act IN ('unsubscribe', 'opt_out') AND EXISTS (
          SELECT FROM address_claim AS claim JOIN account USING (uid)
          WHERE claim.address = visible.origin AND account.deleted_at IS NOT NULL)))
      UNION
      SELECT visible.origin_kind::text, visible.origin FROM visible
      JOIN reach ON reach.origin = visible.origin AND reach.origin_kind = visible.origin_kind::text AND reach.kind = 'account'
      JOIN merge ON merge.uid = reach.key AND merge.undone_at >= visible.at
      WHERE visible.act = 'opt_out'
      UNION
      SELECT 'address', refreshed.key FROM unnest(${arrayLiteral(refreshed)}::text[]) AS refreshed (key)
      WHERE EXISTS (SELECT FROM several WHERE several.address = refreshed.key) OR EXISTS (
        SELECT FROM reach JOIN email_address AS other ON other.address = reach.key
        WHERE reach.origin_kind = 'address' AND reach.origin = refreshed.key AND reach.kind = 'address' AND reach.key <> refreshed.key
          AND num_nonnulls(other.first_name_at, other.last_name_at, other.country_at, other.lang_at, other.format_at) > 0)
    ),
    reached AS (SELECT kind, key FROM reach JOIN shared USING (origin_kind, origin))
    SELECT origin_kind::text AS kind, origin AS key, newsletter, (extract(epoch FROM at) * 1000)::float8 AS at FROM visible
    UNION ALL
    SELECT 'contact', contact_id::text, '', 0 FROM email_address JOIN reached ON kind = 'address' AND key = address
    UNION ALL
    SELECT 'contact', contact_id::text, '', 0 FROM account JOIN reached ON kind = 'account' AND key = uid
    WHERE contact_id IS NOT NULL`;
  const visible = rows.flatMap(({ kind, key, newsletter, at }) =>
    kind === 'contact' ? [] : { origin: { kind, key }, newsletter, at },
  );
  return { visible, others: rows.flatMap(({ kind, key }) => (kind === 'contact' ? key : [])) };
}
