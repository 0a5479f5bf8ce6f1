/** A merge as text for people, stored or only planned. */
import { TIME_UNKNOWN, type Time } from '../contacts/facts/event';
import type { FieldName } from '../contacts/facts/facts';
import { shownKey } from '../contacts/facts/pseudonym';
import { type ExplainedMerge, type Explanation, type Verdict, valueAfter, type Why } from '../contacts/merge/explain';
import type { MergePlan } from '../contacts/merge/merge';
import { listing, shortTime, wrap } from './render';

/** Why the two are one person, what happens to their contacts and tokens, and which values won. */
export const mergeText = (merge: ExplainedMerge, columns: number): string[] => [
  ...wrap(samePersonText(merge), columns),
  '',
  `survivor  contact ${merge.survivorId}`,
  `retired   contact ${merge.retiredId}, answers 404`,
  ...tokenText(merge).flatMap((line) => wrap(line, columns, NAME_WIDTH)),
  '',
  ...(merge.explanation ? valueTable(merge.explanation, columns) : [NO_EXPLANATION]),
];

export const NO_EXPLANATION = 'The explanation of the values was removed by a purge.';

const NAME_WIDTH = 'survivor  '.length;

/** Why the two contacts are one person. */
export function samePersonText({ reason, addresses, ...plan }: MergePlan): string {
  const which = addresses.join(', ') || 'an address that is erased';
  const [uid, claimant] = [plan.uid, plan.claimant].map((key) => shownKey(key) ?? '(erased)');
  switch (reason) {
    case 'claim':
      return `Account ${uid} proves that it owns ${which}, which belonged to no account.`;
    case 'recreated':
      return `Account ${uid} proves that it owns ${which}, which belonged to account ${claimant} until that account was deleted. It is one person, whose account was re-created.`;
    case 'deletion':
      return `Account ${claimant} was deleted before account ${uid} proved that it owns ${which}. It is one person, whose account was re-created.`;
  }
}

/** Why the token that stayed was kept. */
export function tokenReasonText({ token }: Pick<MergePlan, 'token'>): string {
  return {
    held_primary_address: `the ${token.keep} contact had the account's primary address, and mail there carries this token`,
    survivor:
      token.policy === 'account'
        ? "it is the survivor's"
        : "it is the survivor's, and neither contact had the account's primary address",
    only_token: 'no token of the other contact was known',
  }[token.reason];
}

const tokenText = (merge: MergePlan): string[] => [
  `token     ${merge.tokenKept ?? '-'} stays: ${tokenReasonText(merge)} (policy ${merge.token.policy})`,
  ...(merge.tokenRetired ? [`          ${merge.tokenRetired} answers 404`] : []),
];

const FIELD_TITLES: Record<FieldName, string> = {
  first_name: 'first name',
  last_name: 'last name',
  country: 'country',
  lang: 'language',
  format: 'format',
};

/** A value of one contact, and since when it had it. */
export interface Cell {
  text: string;
  /** Null where no time is known. */
  at: Time | null;
}

/** What became of one value; a cell is null where there was no value. */
export interface ValueRow {
  name: string;
  survivor: Cell | null;
  retired: Cell | null;
  after: Cell | null;
  won: Verdict<unknown>['won'];
  why: string;
}

/** Every value that either contact had, in a fixed order. */
export const valueRows = ({ primary, fields, newsletters, opted_out }: Explanation): ValueRow[] => [
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

/** No row without a verdict. */
function row<T>(name: string, verdict: Verdict<T> | undefined, cellOf: (value: T) => Cell): ValueRow[] {
  if (!verdict) return [];
  const { survivor, retired, won, why } = verdict;
  const cell = (value: T | undefined): Cell | null => {
    if (value === undefined) return null;
    const { text, at } = cellOf(value);
    return { text, at: at === TIME_UNKNOWN ? null : at };
  };
  const sides = { survivor: cell(survivor), retired: cell(retired), after: cell(valueAfter(verdict)) };
  return [{ name, ...sides, won, why: whyText(why, won, name) }];
}

function valueTable(explanation: Explanation, columns: number): string[] {
  const before = (cell: Cell | null): string =>
    cell === null ? '-' : cell.at === null ? cell.text : `${cell.text} (${shortTime(cell.at)})`;
  const rows = valueRows(explanation).map(({ name, survivor, retired, after, why }) => [
    name,
    before(survivor),
    before(retired),
    after?.text ?? '-',
    why,
  ]);
  if (rows.length === 0) return ['Neither contact had any value.'];
  return listing(['', 'survivor had', 'retired had', 'now', 'why'], rows, columns);
}

function whyText(why: Why, won: Verdict<unknown>['won'], title: string): string {
  const winner = won === null ? 'other' : won;
  const texts: Record<Why, string> = {
    only: `only the ${winner} had it`,
    same: 'the same on both',
    later: title === 'primary address' ? 'claimed later' : `the ${winner}'s is later`,
    greater: 'same time: the greater value wins',
    value_before_null: 'same time: a value wins over a cleared field',
    reader: "the reader's own value wins over the account's",
    account: "the account's, because the reader cleared it",
    refusal: 'same time: the opt-out or unsubscribe wins',
    set: `the ${winner} had chosen exactly others`,
    opt_out: `ended by an opt-out of the ${winner}`,
    unconfirmed: `chosen without proof while the ${winner} was opted out`,
    proven: `the opt-out was lifted by a proof of the ${winner}`,
    left_behind: 'belonged to a deleted account, or belongs to another account',
  };
  return texts[why];
}
