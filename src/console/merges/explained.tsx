/** Why two contacts are one person, and what becomes of their values and tokens: of a merge, done or only planned. */
import type { VNode } from 'preact';
import type { ExplainedMerge } from '../../contacts/merge/explain';
import { type ClaimOutcome, outcomeSentences } from '../../operations/claim-outcome';
import { type Cell, NO_EXPLANATION, samePersonText, tokenReasonText, valueRows } from '../../operations/merge-text';
import { harmless } from '../../operations/render';
import { ContactLink, Facts, Table, Time } from '../frame/page';

export const SamePerson = ({ merge }: { merge: ExplainedMerge }): VNode => <p>{harmless(samePersonText(merge))}</p>;

/** Both contacts before the merge, the contact that they became, and why. */
export function Values({ merge: { explanation } }: { merge: ExplainedMerge }): VNode {
  if (!explanation) {
    return (
      <p>
        {NO_EXPLANATION} Purges remove explanations together with the data that they were made of. The reader’s page
        shows the present values.
      </p>
    );
  }
  const rows = valueRows(explanation).map(({ name, survivor, retired, after, won, why }) => [
    harmless(name),
    <Value key="survivor" cell={survivor} />,
    <Value key="retired" cell={retired} />,
    after === null ? 'none' : harmless(after.text),
    WON[won ?? 'neither'],
    why,
  ]);
  return (
    <>
      <p>Survivor is the contact that stays. Retired is the contact that ended in it.</p>
      <Table
        label="Values before and after the merge"
        head={['Value', 'Survivor had', 'Retired had', 'After the merge', 'Which won', 'Why']}
        rows={rows}
        empty="Neither contact had any value."
        rowHeads
      />
    </>
  );
}

const WON = { survivor: 'survivor', retired: 'retired', both: 'both', neither: 'neither' };

const Value = ({ cell }: { cell: Cell | null }): VNode =>
  cell === null ? (
    <>none</>
  ) : (
    <>
      {harmless(cell.text)}
      {cell.at !== null && (
        <small>
          {' '}
          since <Time at={cell.at} />
        </small>
      )}
    </>
  );

const RETIRED_TOKEN =
  'Look-ups with it find nothing. Links in old mails that carry it, such as an unsubscribe link, still count for the survivor.';

export function Tokens({ merge }: { merge: ExplainedMerge }): VNode {
  const { tokenKept, tokenRetired } = merge;
  return (
    <Facts
      rows={[
        [
          'Token that stays',
          <>
            {tokenKept === null ? 'a new one' : <code>{tokenKept}</code>}, because {tokenReasonText(merge)}
          </>,
        ],
        [
          'Token that is retired',
          tokenRetired === null ? (
            'none'
          ) : (
            <>
              <code>{tokenRetired}</code>. {RETIRED_TOKEN}
            </>
          ),
        ],
      ]}
    />
  );
}

/** What happens, or would happen, to an account's claim on an address. */
export function Outcome({ outcome }: { outcome: ClaimOutcome }): VNode {
  if (outcome.outcome !== 'merged') {
    return (
      <>
        {outcomeSentences(outcome).map((sentence) => (
          <p key={sentence}>{withContactLinks(sentence)}</p>
        ))}
      </>
    );
  }
  const { merge } = outcome;
  return (
    <>
      <p>Merge: the two contacts are one person.</p>
      <SamePerson merge={merge} />
      <Facts
        rows={[
          ['Stays (survivor)', <ContactLink key="survivor" id={merge.survivorId} />],
          ['Ends in it (retired)', <ContactLink key="retired" id={merge.retiredId} />],
        ]}
      />
      <Tokens merge={merge} />
      <Values merge={merge} />
    </>
  );
}

const CONTACT = /([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/;

const withContactLinks = (sentence: string) =>
  sentence.split(CONTACT).map((part, i) => (i % 2 === 0 ? harmless(part) : <ContactLink key={part} id={part} />));
