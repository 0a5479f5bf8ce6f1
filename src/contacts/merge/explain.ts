/**
 * Why each value of two merged contacts won, and what lost: what the ledger keeps for people. Why a token stays is not in
 * here: `decideToken` says it, and the ledger has columns for it.
 */
import type { Time } from '../facts/event';
import { type Dated, type Facts, latest, PROFILE_FIELDS, type ProfileField } from '../facts/facts';
import type { ContactView, Subscription } from '../profile/contact-view';
import { type BeforeAndAfter, SIDES, type Side } from './before-and-after';

export type Why =
  /** Only one side had it. */
  | 'only'
  /** Both had the same. */
  | 'same'
  /** The winner was said later; of addresses: the account claimed it later. */
  | 'later'
  /** At equal times, the greater value. */
  | 'greater'
  /** At equal times, a value before a null. */
  | 'value_before_null'
  /** At equal times, the refusal. */
  | 'refusal'
  /** The winner's opt-out ended the other side's subscription. */
  | 'opt_out'
  /** The other side subscribed, without proof, while the winner was opted out. */
  | 'unconfirmed'
  /** A proven act of the winner's lifted an opt-out of the other side. */
  | 'proven'
  /** What a side had was not its to bring: said in an account that was deleted, or in an period that is another's. */
  | 'left_behind';

/** What became of one thing that a side had. A side that did not have it is not in here. */
export interface Verdict<T> {
  survivor?: T;
  retired?: T;
  /** What the contact has now, where this is not just what the winner had; null for nothing at all. */
  after?: T | null;
  won: Side | 'both' | null;
  why: Why;
}

/** Names are the readers'; times are milliseconds since 1970. */
export interface Explanation {
  primary?: Verdict<PrimaryClaim>;
  fields: { [name: string]: Verdict<Dated> };
  newsletters: { [name: string]: Verdict<NewsletterState> };
  /** Of all email. */
  opted_out?: Verdict<true>;
}

export interface PrimaryClaim {
  value: string;
  /** When the account claimed it; for the retired side, any of the addresses that came. Null: never. */
  at: Time | null;
}

export type NewsletterState = Pick<Subscription, 'state' | 'since'>;

const FIELD_NAMES: Record<ProfileField, string> = {
  firstName: 'first_name',
  lastName: 'last_name',
  country: 'country',
  lang: 'lang',
  format: 'format',
};

/** @param facts all that is known of the people concerned. */
export function explainMerge(sides: BeforeAndAfter, facts: Facts): Explanation {
  const { survivor, retired, after } = sides;
  const primary = primaryVerdict(sides, facts);
  const optedOut = optOutVerdict(sides);
  const newsletters = new Set([survivor, retired, after].flatMap((view) => [...view.newsletters.keys()]));
  return {
    ...(primary && { primary }),
    fields: verdicts(PROFILE_FIELDS.map((field) => [FIELD_NAMES[field], fieldVerdict(sides, field)])),
    newsletters: verdicts([...newsletters].sort().map((name) => [name, newsletterVerdict(sides, name)])),
    ...(optedOut && { opted_out: optedOut }),
  };
}

/** What the contact has after the merge; undefined for nothing. */
export function valueAfter<T>({ survivor, retired, after, won }: Verdict<T>): T | undefined {
  if (after !== undefined) return after ?? undefined;
  return won === 'retired' ? retired : survivor;
}

/** Not by assignment: a name may be `__proto__`. */
const verdicts = <T>(named: [name: string, verdict: T | undefined][]): { [name: string]: T } =>
  Object.fromEntries(named.filter((entry): entry is [string, T] => entry[1] !== undefined));

interface Both<T> {
  survivor: T | undefined;
  retired: T | undefined;
  after: T | undefined;
}

type Decision = Pick<Verdict<unknown>, 'won' | 'why'>;

/** Undefined where there is nothing to tell. */
function verdict<T extends object | true>(both: Both<T>, { won, why }: Decision): Verdict<T> | undefined {
  const { survivor, retired, after } = both;
  if (survivor === undefined && retired === undefined && after === undefined) return undefined;
  const result: Verdict<T> = { won, why };
  if (survivor !== undefined) result.survivor = survivor;
  if (retired !== undefined) result.retired = retired;
  if (won === null || !alike(won === 'retired' ? retired : survivor, after)) result.after = after ?? null;
  return result;
}

function alike<T extends object | true>(a: T | undefined, b: T | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  for (const key in a) if (a[key] !== b[key]) return false;
  return true;
}

const other = (side: Side): Side => (side === 'survivor' ? 'retired' : 'survivor');

function fieldVerdict({ survivor, retired, after }: BeforeAndAfter, field: ProfileField): Verdict<Dated> | undefined {
  const both = {
    survivor: survivor.datedProfile[field],
    retired: retired.datedProfile[field],
    after: after.datedProfile[field],
  };
  return verdict(both, decisionOnField(both));
}

function decisionOnField({ survivor, retired, after }: Both<Dated>): Decision {
  const won = alike(survivor, after) ? 'survivor' : alike(retired, after) ? 'retired' : null;
  if (!after || !won || !alike(latest(survivor, retired), after)) {
    return { won: after ? won : null, why: 'left_behind' };
  }
  if (!survivor || !retired) return { won, why: 'only' };
  if (survivor.value === retired.value) return { won: 'both', why: 'same' };
  if (survivor.at !== retired.at) return { won, why: 'later' };
  return { won, why: survivor.value === null || retired.value === null ? 'value_before_null' : 'greater' };
}

function primaryVerdict(sides: BeforeAndAfter, facts: Facts): Verdict<PrimaryClaim> | undefined {
  const { plan, uid, survivor, retired, after } = sides;
  const claim = (value: string | null, addresses: readonly string[]): PrimaryClaim | undefined =>
    value === null ? undefined : { value, at: claimedAt(facts, uid, addresses) };
  const both = {
    survivor: claim(survivor.primary, [survivor.primary ?? '']),
    retired: claim(retired.primary, plan.addresses),
    after: claim(after.primary, [after.primary ?? '']),
  };
  return verdict(both, decisionOnPrimary(both, plan.addresses));
}

/** When an account last claimed one of some addresses. */
function claimedAt(facts: Facts, uid: string, addresses: readonly string[]): Time | null {
  const claims = facts
    .claimsBy(uid)
    .filter(({ address, status }) => status === 'active' && addresses.includes(address));
  return claims.reduce<Time | null>((last, { at }) => (last === null || at > last ? at : last), null);
}

function decisionOnPrimary({ survivor, retired, after }: Both<PrimaryClaim>, came: readonly string[]): Decision {
  if (!after) return { won: null, why: 'left_behind' };
  const isNow = (claim: PrimaryClaim | undefined): boolean => claim?.value === after.value;
  if (isNow(survivor) && isNow(retired)) return { won: 'both', why: 'same' };
  const won = isNow(survivor) ? 'survivor' : came.includes(after.value) ? 'retired' : null;
  if (!won) return { won, why: 'left_behind' };
  if (!survivor || !retired) return { won, why: 'only' };
  return { won, why: survivor.at === retired.at ? 'greater' : 'later' };
}

function newsletterVerdict(
  { survivor, retired, after }: BeforeAndAfter,
  name: string,
): Verdict<NewsletterState> | undefined {
  const of = ({ newsletters }: ContactView) => newsletters.get(name);
  const both = { survivor: of(survivor), retired: of(retired), after: of(after) };
  const told = (it: Subscription | undefined): NewsletterState | undefined =>
    it && { state: it.state, since: it.since };
  return verdict(
    { survivor: told(both.survivor), retired: told(both.retired), after: told(both.after) },
    decisionOnNewsletter(both),
  );
}

function decisionOnNewsletter(both: Both<Subscription>): Decision {
  const { survivor, retired, after } = both;
  const last = Math.max(...SIDES.map((side) => both[side]?.chosenAt ?? Number.NEGATIVE_INFINITY));
  if (after?.chosenAt !== last) return { won: null, why: 'left_behind' };
  if (survivor?.state === after.state && retired?.state === after.state) return { won: 'both', why: 'same' };
  const chose = SIDES.filter((side) => both[side]?.chosenAt === last);
  const won = chose.find((side) => both[side]?.state === after.state);
  // Else the latest choice came to something else than on its own side: that is the other side's doing.
  if (!won) return { won: chose.length === 1 ? other(chose[0] as Side) : null, why: because(after) };
  if (!survivor || !retired) return { won, why: 'only' };
  if (chose.length === 1) return { won, why: 'later' };
  return { won, why: after.by === 'choice' && after.state === 'unsubscribed' ? 'refusal' : because(after) };
}

function because({ state, by }: Subscription): Why {
  if (state === 'subscribed') return 'proven';
  return by === 'unconfirmed' ? 'unconfirmed' : 'opt_out';
}

function optOutVerdict({ survivor, retired, after }: BeforeAndAfter): Verdict<true> | undefined {
  const of = ({ optedOut }: ContactView): true | undefined => optedOut || undefined;
  const both = { survivor: of(survivor), retired: of(retired), after: of(after) };
  return verdict(both, decisionOnOptOut(both));
}

function decisionOnOptOut(both: Both<true>): Decision {
  const [side, second] = SIDES.filter((side) => both[side]);
  if (!side || (second && !both.after)) return { won: null, why: 'left_behind' };
  if (second) return { won: 'both', why: 'same' };
  return both.after ? { won: side, why: 'only' } : { won: other(side), why: 'proven' };
}
