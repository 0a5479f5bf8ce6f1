/** The consent ledger in plain words. */
import type { VNode } from 'preact';
import type { Act } from '../../contacts/facts/event';
import { STAFF_SOURCE } from '../../operations/audited';
import type { ChoiceBody } from '../../operations/consent/body';
import { aboutText, placeOf, WHY } from '../../operations/consent/text';
import { Table, Time } from '../frame/page';

const ACTS: Record<Act, string> = {
  subscribe: 'signed up',
  unsubscribe: 'unsubscribed',
  confirm: 'confirmed the address for',
  opt_out: 'opted out',
  set: 'chose exactly others, and left',
  reason: 'said why, about',
};

/** Choices, in the order that they are given in. Few columns, so that all of them fit on paper. */
export const Ledger = ({ choices, empty }: { choices: readonly ChoiceBody[]; empty: string }): VNode => (
  <Table
    label="Choices"
    head={['When', 'What the reader did', 'Does it count?', 'Where it was made', 'Source and details']}
    rows={choices.map((choice) => [
      <Time key="at" at={choice.event_time} />,
      <>
        {choice.proven ? `${ACTS[choice.act]}, with proof` : ACTS[choice.act]}: <strong>{aboutText(choice)}</strong>
      </>,
      `${choice.counts ? 'Yes' : 'No'}: ${WHY[choice.why]}`,
      choice.origin?.kind === 'account' ? `in account ${placeOf(choice)}` : placeOf(choice),
      detailsText(choice),
    ])}
    empty={empty}
  />
);

/** Where a choice came from. */
const sourceText = (source: string | null): string => {
  if (source === STAFF_SOURCE) return 'support staff';
  return source ?? 'no source given';
};

interface Details {
  source: string | null;
  lang: string | null;
  format: string | null;
  reason: string | null;
  fields: Readonly<Record<string, unknown>> | null;
}

/** Where a choice came from, and what it said besides. */
export function detailsText({ source, lang, format, reason, fields }: Details): string {
  const details = [
    sourceText(source),
    reason && `reason: ${reason}`,
    lang && `language: ${lang}`,
    format && `format: ${formatText(format)}`,
    ...Object.entries(fields ?? {}).map(
      ([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ),
  ];
  return details.filter(Boolean).join('; ');
}

export const formatText = (format: string): string => ({ H: 'HTML', T: 'plain text' })[format] ?? format;

/** How to read the ledger. */
export const LedgerRules = (): VNode => (
  <details>
    <summary>How choices are weighed</summary>
    <ul>
      <li>The latest choice about a newsletter decides. At the same moment, leaving wins over signing up.</li>
      <li>
        Opting out of all email ends every newsletter. Only a later choice with proof lifts it: the reader clicked a
        link in a mail, or was signed in.
      </li>
      <li>A choice belongs to the owner of the address at that time: what an earlier owner chose does not count.</li>
      <li>
        Opting out and unsubscribing follow the person into a new account, and count on both sides of an undone merge.
      </li>
    </ul>
  </details>
);
