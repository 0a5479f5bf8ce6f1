/** A merge for people, stored or only planned. */
import { TIME_UNKNOWN, type Time } from '../contacts/facts/event';
import type { FieldName } from '../contacts/facts/facts';
import { shownKey } from '../contacts/facts/pseudonym';
import { type ExplainedMerge, type Explanation, type Verdict, valueAfter, type Why } from '../contacts/merge/explain';
import type { MergePlan } from '../contacts/merge/merge';
import { table } from './render';

/** Why the two are one person, what becomes of their contacts and tokens, and which values won. */
export const mergeText = (merge: ExplainedMerge): string[] => [
  ...samePersonText(merge),
  `Contact ${merge.retiredId} (retired) goes into contact ${merge.survivorId} (survivor); the retired id answers 404.`,
  ...tokenText(merge),
  '',
  ...(merge.explanation ? valueTable(merge.explanation) : ['It is not known any more which values won.']),
];

function samePersonText({ reason, addresses, ...plan }: MergePlan): string[] {
  const which = addresses.join(', ') || 'an address that is erased';
  const [uid, claimant] = [plan.uid, plan.claimant].map((key) => shownKey(key) ?? '(erased)');
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

function tokenText({ token, tokenKept, tokenRetired }: MergePlan): string[] {
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

const FIELD_TITLES: Record<FieldName, string> = {
  first_name: 'first name',
  last_name: 'last name',
  country: 'country',
  lang: 'language',
  format: 'format',
};

interface Cell {
  text: string;
  at: Time | null;
}

function valueTable({ primary, fields, newsletters, opted_out }: Explanation): string[] {
  const rows = [
    ...row('primary address', primary, ({ value, at }) => ({ text: value, at })),
    ...Object.entries(FIELD_TITLES).flatMap(([name, title]) =>
      row(title, fields[name], ({ value, at }) => ({ text: value ?? 'cleared', at })),
    ),
    // Sorted, because an object lists names that look like numbers first.
    ...Object.entries(newsletters)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, verdict]) =>
        row(`newsletter ${name}`, verdict, ({ state, since }) => ({ text: state, at: since })),
      ),
    ...row('opted out', opted_out, () => ({ text: 'yes', at: null })),
  ];
  if (rows.length === 0) return ['Neither contact had any value.'];
  return table([['', 'survivor had', 'retired had', 'now', 'why'], ...rows]);
}

/** One row of the table; none without a verdict. */
function row<T>(title: string, verdict: Verdict<T> | undefined, cellOf: (value: T) => Cell): string[][] {
  if (!verdict) return [];
  const { survivor, retired, won, why } = verdict;
  const before = (value: T | undefined): string => {
    if (value === undefined) return '-';
    const { text, at } = cellOf(value);
    return at === null || at === TIME_UNKNOWN ? text : `${text} (${shortTime(at)})`;
  };
  const after = valueAfter(verdict);
  const now = after === undefined ? '-' : cellOf(after).text;
  return [[title, before(survivor), before(retired), now, whyText(why, won, title)]];
}

/** UTC, to the second; JSON has ISO 8601 instead. */
export const shortTime = (time: Time | Date): string => new Date(time).toISOString().slice(0, 19).replace('T', ' ');

function whyText(why: Why, won: Verdict<unknown>['won'], title: string): string {
  const winner = won === null ? 'other' : won;
  const texts: Record<Why, string> = {
    only: `only the ${winner} had it`,
    same: 'the same on both',
    later: title === 'primary address' ? 'claimed later' : `the ${winner}'s is later`,
    greater: 'at equal times the greater value',
    value_before_null: 'at equal times a value before a clear',
    reader: "the reader's own, before the account's",
    account: "the account's, because the reader cleared it",
    refusal: 'at equal times the refusal',
    set: `the ${winner} had chosen exactly others`,
    opt_out: `ended by an opt-out of the ${winner}`,
    unconfirmed: `chosen without proof while the ${winner} was opted out`,
    proven: `the opt-out was lifted by a proof of the ${winner}`,
    left_behind: 'was of a deleted account, or is another account’s',
  };
  return texts[why];
}
