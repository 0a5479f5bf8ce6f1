/** Which contacts look different to readers after a batch: these, and no others, get the next version. */
import type { ChangeSet } from '../../contacts/change-recorder';
import { type Choice, choiceKey, type Origin, originKey, PROFILE_FIELDS } from '../../contacts/facts/facts';
import { shownText } from '../../contacts/profile/canonical';
import { type ChangedPart, partsBetween } from '../../contacts/profile/changed-parts';
import { contactView } from '../../contacts/profile/contact-view';
import type { Queries } from '../database';
import { Prisma } from '../generated/prisma/client';
import { loadPeopleAt } from '../people';
import { type Columns, rowSource } from '../statement';
import { insertChoices, isSetRefusing } from '../tables/choice';
import { findReach } from './find-reach';
import { loadReachedFacts } from './load-facts';

/** A stored address or account that a batch adds choices to, or whose profile it changes. */
interface TouchedOrigin extends Origin {
  /** The contact of the origin; null if it has none, or if the contact gets the next version anyway. */
  contactId: string | null;
  /** Whether the profile has a new value; null if it is unchanged. */
  hasNewValue: boolean | null;
}

const COLUMNS: Columns<TouchedOrigin> = {
  origin_kind: ['origin_kind', ({ kind }) => kind],
  origin: ['text', ({ key }) => key],
  contact_id: ['uuid', ({ contactId }) => contactId],
  has_new_value: ['boolean', ({ hasNewValue }) => hasNewValue],
};

/** A choice whose effect only the views can tell, because of its origin; or, without a choice, a new profile. */
export interface Uncertain {
  kind: Origin['kind'];
  key: string;
  newsletter: string | null;
  at: number | null;
  /** The contact of the origin, if that contact has already got the next version. */
  raised: string | null;
}

/**
 * Queries for `inOneStatement` that add choices at stored addresses and accounts, and judge whether readers can see a
 * difference. At an address without claims, the choices there tell. Elsewhere a choice may count for several contacts,
 * and the views must be compared.
 */
export function judgedChoices(choices: readonly Choice[], changes: ChangeSet) {
  const origins = touchedOrigins(choices, changes);
  if (origins.length === 0) return null;
  const added =
    insertChoices(choices, Prisma.sql`RETURNING ${ADDED}, known.xmax <> 0 AS was_stored`) ??
    Prisma.sql`SELECT ${ADDED}, false AS was_stored FROM choice WHERE false`;
  return {
    named: [Prisma.sql`added AS (${added})`, Prisma.sql`judged AS (${judged(origins)})`],
    /** The contacts that look different for certain. */
    different: Prisma.sql`SELECT DISTINCT contact_id FROM judged WHERE contact_id IS NOT NULL AND is_different`,
    /** {@link Uncertain} rows. */
    uncertain: Prisma.sql`
      j.origin_kind::text AS kind, j.origin AS key, newsletter, (extract(epoch FROM at) * 1000)::float8 AS at,
      CASE WHEN is_different THEN contact_id END AS raised, NULL::int AS version
      FROM judged j LEFT JOIN added USING (origin_kind, origin) WHERE j.is_uncertain`,
  };
}

const ADDED = Prisma.raw('origin_kind, origin, newsletter, at, act, proven, source, lang, format, reason, fields');

/** Outside the insert, the statement sees every table as it was before. */
const judged = (origins: readonly TouchedOrigin[]): Prisma.Sql => Prisma.sql`
  SELECT origin_kind, origin, contact_id, was_stored OR lone AND shows AS is_different,
    news > 0 AND NOT (lone AND (shows OR NOT perhaps)) AS is_uncertain
  FROM (
    SELECT origin_kind, origin, max(contact_id::text)::uuid AS contact_id, count(verdict) AS news,
      bool_or(was_stored) AS was_stored, coalesce(bool_or(verdict = 'shows'), false) AS shows,
      coalesce(bool_or(verdict = 'perhaps'), false) AS perhaps,
      origin_kind = 'address' AND NOT EXISTS (SELECT FROM address_claim WHERE address = news.origin) AS lone
    FROM (
      SELECT origin_kind, origin, NULL::uuid AS contact_id, was_stored, ${VERDICT_AT_LONE_ADDRESS} AS verdict FROM added
      UNION ALL
      SELECT origin_kind, origin, contact_id, false, CASE WHEN has_new_value THEN 'shows' WHEN NOT has_new_value THEN 'hidden' END
      FROM ${rowSource(origins, COLUMNS)}
    ) AS news
    GROUP BY origin_kind, origin
  ) AS touched`;

/**
 * The verdict on a choice at an address without claims, where only the choices there count. Without an opt-out, choices about
 * other newsletters do not matter: a later choice shows, unless it repeats a subscription, proves nothing new and has
 * the same details. But a set may have ended that subscription.
 */
const VERDICT_AT_LONE_ADDRESS = Prisma.sql`
  CASE
    WHEN added.act IN ('set', 'reason') OR EXISTS (
      SELECT FROM choice WHERE origin = added.origin AND origin_kind = added.origin_kind
        AND newsletter = '' AND (act = 'opt_out' OR added.newsletter = '')) THEN 'perhaps'
    WHEN newsletter = '' THEN CASE act WHEN 'opt_out' THEN 'shows' ELSE 'perhaps' END
    ELSE coalesce((
      SELECT CASE
        WHEN last.at >= added.at OR EXISTS (
          SELECT FROM choice AS refusal
          WHERE refusal.origin = added.origin AND refusal.origin_kind = added.origin_kind
            AND ${isSetRefusing('refusal', 'added.newsletter')} AND refusal.at >= last.at) THEN 'perhaps'
        WHEN added.act = 'subscribe' AND last.act = 'subscribe' AND (last.proven OR NOT added.proven)
          AND (last.source, last.lang, last.format, last.reason, last.fields)
            IS NOT DISTINCT FROM (added.source, added.lang, added.format, added.reason, added.fields) THEN 'hidden'
        ELSE 'shows' END
      FROM choice AS last
      WHERE origin = added.origin AND origin_kind = added.origin_kind AND newsletter = added.newsletter
      ORDER BY last.at DESC LIMIT 1), 'shows')
  END`;

function touchedOrigins(
  choices: readonly Choice[],
  { contacts, contactOfOrigin, ...changes }: ChangeSet,
): TouchedOrigin[] {
  const versioned = new Set([...contacts.created, ...contacts.changed].map(({ id }) => id));
  const origins = new Map<string, TouchedOrigin>();
  const touch = (origin: Origin, id: string | null | undefined, hasNewValue: boolean | null): void => {
    const contactId = id === undefined || id === null || versioned.has(id) ? null : id;
    origins.set(origin.key, { kind: origin.kind, key: origin.key, contactId, hasNewValue });
  };
  for (const { origin } of choices) touch(origin, contactOfOrigin.get(origin.key), null);
  for (const { facts, contactId } of changes.addresses) {
    const changed = changes.perhapsShown.addresses.get(facts.address);
    if (changed) touch({ kind: 'address', key: facts.address }, contactId, changed.hasNewValue);
  }
  for (const { uid, contactId } of changes.accounts) {
    if (changes.perhapsShown.accounts.has(uid)) touch({ kind: 'account', key: uid }, contactId, false);
  }
  return [...origins.values()];
}

/**
 * The contacts whose views differ by facts that were just written, each with the parts that differ. Compares the views of all
 * contacts that these facts reach: they can also show in the view of a former owner, or of a successor.
 *
 * @param except contacts that are not compared
 */
export async function contactsWithAnotherView(
  tx: Queries,
  uncertain: readonly Uncertain[],
  { addresses, perhapsShown }: ChangeSet,
  except: ReadonlySet<string>,
): Promise<Map<string, ChangedPart[]>> {
  const keys = (kind: Origin['kind']): string[] => [
    ...new Set(uncertain.flatMap((origin) => (origin.kind === kind ? origin.key : []))),
  ];
  const touched = { addresses: keys('address'), uids: keys('account') };
  const uncertainAt = new Set(touched.addresses);
  const profiles = [
    ...addresses.map(({ facts }) => facts),
    ...[...perhapsShown.addresses.values()].map(({ before }) => before),
  ];
  const moments = [
    ...uncertain.flatMap(({ kind, key, at }) => (kind === 'address' && at !== null ? { address: key, at } : [])),
    ...profiles.flatMap(({ address, profile }) =>
      PROFILE_FIELDS.flatMap((field) => (profile[field] ? { address, at: profile[field].at } : [])),
    ),
  ].filter(({ address }) => uncertainAt.has(address));
  const reach = await findReach(tx, { ...touched, tokens: [] }, { claims: [], deletions: [] }, { moments });
  const after = await loadReachedFacts(tx, reach);
  const added = new Set(
    uncertain.map(({ kind, key, newsletter, at }) =>
      ledgerKey({ kind, key }, { newsletter: newsletter ?? '', at: at ?? 0 }),
    ),
  );
  const before = after.without(reach, { choice: (choice) => added.has(ledgerKey(choice.origin, choice)) });
  for (const [address, facts] of perhapsShown.addresses)
    if (before.addresses.has(address)) before.addresses.set(address, facts.before);
  for (const [uid, facts] of perhapsShown.accounts) if (before.accounts.has(uid)) before.accounts.set(uid, facts);
  // For other contacts with a reached address, only a part of the facts is loaded.
  const people = await loadPeopleAt(tx, reach.isWhole ? reach : { addresses: touched.addresses, uids: reach.uids });
  const different = new Map<string, ChangedPart[]>();
  for (const [id, person] of people) {
    if (except.has(id)) continue;
    const [was, is] = [contactView(before, person), contactView(after, person)];
    if (shownText(was) !== shownText(is)) different.set(id, partsBetween(was, is));
  }
  return different;
}

const ledgerKey = (origin: Origin, choice: Pick<Choice, 'newsletter' | 'at'>): string =>
  `${originKey(origin)}\u0000${choiceKey(choice)}`;
