/** A merge for people and for machines: one that happened, or one that would. */
import type { Time } from '../../contacts/facts/event';
import type { Dated } from '../../contacts/facts/facts';
import {
  type Explanation,
  type NewsletterState,
  type Verdict,
  valueAfter,
  type Why,
} from '../../contacts/merge/explain';
import type { MergePlan } from '../../contacts/merge/merge';
import { table } from '../render';

/** What a plan and the ledger have in common. */
export interface ToldMerge extends Omit<MergePlan, 'id' | 'primaryHeldBy'> {
  explanation: Explanation | null;
}

/** The names are those of `contact.merged`. */
export const mergeBody = (merge: Omit<ToldMerge, 'explanation'>) => ({
  reason: merge.reason,
  trigger: {
    source: merge.trigger.source,
    event: merge.trigger.event,
    event_id: merge.trigger.id,
    event_time: iso(merge.at),
  },
  survivor: { contact_id: merge.survivorId, account_id: merge.uid },
  retired: { contact_id: merge.retiredId, account_id: merge.claimant, addresses: merge.addresses },
  token: {
    policy: merge.token.policy,
    reason: merge.token.reason,
    side: merge.token.keep,
    kept: merge.tokenKept,
    retired: merge.tokenRetired,
  },
  announced: merge.announced,
});

/** With every value that the contact has afterwards, and times in ISO 8601. */
export function explanationBody({ primary, fields, newsletters, opted_out }: Explanation) {
  const field = ({ value, at }: Dated) => ({ value, at: iso(at) });
  const newsletter = ({ state, since }: NewsletterState) => ({ state, since: iso(since) });
  const all = <T, S>(verdicts: { [name: string]: Verdict<T> }, tell: (told: T) => S) =>
    Object.fromEntries(Object.entries(verdicts).map(([name, verdict]) => [name, verdictBody(verdict, tell)]));
  return {
    primary: primary ? verdictBody(primary, ({ value, at }) => ({ value, at: at === null ? null : iso(at) })) : null,
    fields: all(fields, field),
    newsletters: all(newsletters, newsletter),
    opted_out: opted_out ? verdictBody(opted_out, (told) => told) : null,
  };
}

function verdictBody<T, S>(verdict: Verdict<T>, tell: (told: T) => S) {
  const told = (value: T | undefined): S | null => (value === undefined ? null : tell(value));
  const { survivor, retired, won, why } = verdict;
  return { survivor: told(survivor), retired: told(retired), after: told(valueAfter(verdict)), won, why };
}

const iso = (time: Time): string => new Date(time).toISOString();

/** Why the two are one person, what becomes of their contacts and tokens, and which value won. */
export function mergeText(merge: ToldMerge): string[] {
  const explained = merge.explanation ? valueTable(merge.explanation) : ['It is not known any more which values won.'];
  return [
    ...whyOne(merge),
    `Contact ${merge.retiredId} (retired) goes into contact ${merge.survivorId} (survivor); the retired id answers 404.`,
    ...tokenText(merge),
    '',
    ...explained,
  ];
}

function whyOne({ reason, uid, claimant, addresses }: ToldMerge): string[] {
  const which = addresses.join(', ');
  switch (reason) {
    case 'claim':
      return [`Account ${uid} proves that it owns ${which}, which stood alone: its reader is the account's owner.`];
    case 'recreated':
      return [
        `Account ${uid} proves that it owns ${which}, which was with account ${claimant} until that was deleted:`,
        'the same person, with an account made anew.',
      ];
    case 'deletion':
      return [
        `Account ${claimant} was deleted before account ${uid} proved that it owns ${which}:`,
        'the same person, with an account made anew.',
      ];
  }
}

function tokenText({ token, tokenKept, tokenRetired }: ToldMerge): string[] {
  const because = {
    held_primary_address: `the ${token.keep} contact held the account's primary address, and mail there carries it`,
    survivor:
      token.policy === 'account'
        ? 'it is the survivor’s'
        : 'it is the survivor’s, and neither held the account’s primary address',
    only_token: 'the other contact had none that anybody knew',
  }[token.reason];
  return [
    `Token ${tokenKept ?? '-'} stays: ${because} (policy ${token.policy}).`,
    ...(tokenRetired ? [`Token ${tokenRetired} answers 404.`] : []),
  ];
}

const FIELD_TITLES = {
  first_name: 'first name',
  last_name: 'last name',
  country: 'country',
  lang: 'language',
  format: 'format',
};

function valueTable({ primary, fields, newsletters, opted_out }: Explanation): string[] {
  const rows = [
    ...(primary
      ? [
          row(
            'primary address',
            primary,
            ({ value }) => value,
            ({ at }) => at,
          ),
        ]
      : []),
    ...Object.entries(FIELD_TITLES).flatMap(([name, title]) => {
      const verdict = fields[name];
      return verdict
        ? [
            row(
              title,
              verdict,
              ({ value }) => value ?? 'cleared',
              ({ at }) => at,
            ),
          ]
        : [];
    }),
    // An object puts names that look like numbers first.
    ...Object.entries(newsletters)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, verdict]) =>
        row(
          `newsletter ${name}`,
          verdict,
          ({ state }) => state,
          ({ since }) => since,
        ),
      ),
    ...(opted_out
      ? [
          row(
            'opted out',
            opted_out,
            () => 'yes',
            () => null,
          ),
        ]
      : []),
  ];
  if (rows.length === 0) return ['Neither contact had any value.'];
  return table([['', 'survivor had', 'retired had', 'now', 'why'], ...rows]);
}

function row<T>(
  title: string,
  verdict: Verdict<T>,
  show: (told: T) => string,
  timeOf: (told: T) => Time | null,
): string[] {
  const { survivor, retired, won, why } = verdict;
  const cell = (told: T | undefined): string => {
    if (told === undefined) return '-';
    const time = timeOf(told);
    return time === null ? show(told) : `${show(told)} (${shortTime(time)})`;
  };
  const after = valueAfter(verdict);
  return [title, cell(survivor), cell(retired), after === undefined ? '-' : show(after), whyText(why, won, title)];
}

/** To the second, UTC: ISO 8601 is what machines get. */
export const shortTime = (time: Time | Date): string => new Date(time).toISOString().slice(0, 19).replace('T', ' ');

function whyText(why: Why, won: Verdict<unknown>['won'], title: string): string {
  const winner = won === null ? 'other' : won;
  const texts: Record<Why, string> = {
    only: `only the ${winner} had it`,
    same: 'the same on both',
    later: title === 'primary address' ? 'claimed later' : `the ${winner}'s is later`,
    greater: 'at equal times the greater value',
    value_before_null: 'at equal times a value before a clear',
    refusal: 'at equal times the refusal',
    opt_out: `ended by an opt-out of the ${winner}`,
    unconfirmed: `chosen without proof while the ${winner} was opted out`,
    proven: `the opt-out was lifted by a proof of the ${winner}`,
    left_behind: 'was of a deleted account, or is another account’s',
  };
  return texts[why];
}
