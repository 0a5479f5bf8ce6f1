/** What releasing held claims would do, and the form that does it. */
import type { VNode } from 'preact';
import { type ClaimOutcome, outcomeSentences } from '../../operations/claim-outcome';
import { failures, type ReleasedPairs } from '../../operations/collisions/run';
import type { Pair } from '../../operations/collisions/store';
import { count, harmless, number } from '../../operations/render';
import { Form, Hidden, Problem, ReasonField, Table } from '../frame/page';
import { Outcome } from '../merges/explained';
import { Pairs } from './list';

interface Props {
  /** The pairs that were asked for. */
  pairs: readonly Pair[];
  preview: ReleasedPairs;
  /** The account whose claims they all are; empty if it does not matter. */
  account: string;
  problem?: string | undefined;
}

export function ReleasePage({ pairs, preview, account, problem }: Props): VNode {
  const { outcomes, effect } = preview;
  const held = outcomes.map(({ pair }) => pair);
  const [first] = outcomes;
  const back = (
    <p>
      <a href={account === '' ? '/collisions' : `/collisions?account=${account}`}>Back to the held claims</a>
    </p>
  );
  return (
    <>
      {problem !== undefined && <Problem>{problem}</Problem>}
      <NotReleased asked={pairs.length} preview={preview} />
      {first && (
        <>
          <h2>What would happen</h2>
          {held.length === 1 ? <One {...first} /> : <Many preview={preview} />}
          <h2>Release</h2>
          <p>Nothing was changed yet. Once released, the claims count, and what is shown above happens.</p>
          <p>
            Each merge can be undone on its own page. A move cannot be undone here: the account that loses the address
            takes it back by verifying it again.
          </p>
          <Form action="/collisions/release">
            <Pairs pairs={held} />
            <Hidden values={{ account, seen: effect ?? '' }} />
            <label>
              <input type="checkbox" name="announce" value="yes" checked aria-describedby="announce-hint" />
              Tell the mailer
            </label>
            <p>
              <small id="announce-hint">
                Turn this off only if no mailer is connected yet: a mailer that is not told continues to send to the
                retired contact, with a token that no longer works.
              </small>
            </p>
            <ReasonField />
            <button type="submit">Release {count(held.length, 'pair')}</button>
          </Form>
        </>
      )}
      {back}
    </>
  );
}

/** Pairs that would not be released, and why. */
function NotReleased({ asked, preview }: { asked: number; preview: ReleasedPairs }): VNode | null {
  const failed = failures(preview);
  const gone = asked - preview.released - failed;
  if (failed + gone === 0) return null;
  return (
    <Problem>
      {gone > 0 && (
        <p>
          {count(gone, 'pair')} of {number(asked)} {gone === 1 ? 'is' : 'are'} not held any more: released in the
          meantime, or erased.
        </p>
      )}
      {failed > 0 && (
        <p>
          {count(failed, 'pair')} cannot be released now ({Object.keys(preview.failed).join(', ')}) and would stay held.
          Try again later; if it fails again, tell an administrator of OneContact.
        </p>
      )}
    </Problem>
  );
}

const One = ({ pair, outcome }: { pair: Pair; outcome: ClaimOutcome }): VNode => (
  <>
    <p>
      Account <code>{pair.uid}</code> claims {harmless(pair.address)}. If the claim is released:
    </p>
    <Outcome outcome={outcome} />
  </>
);

const Many = ({ preview: { merged, moved, nothing, outcomes } }: { preview: ReleasedPairs }): VNode => (
  <>
    <p>
      {number(merged)} merged, {number(moved)} moved, {number(nothing)} without effect.
    </p>
    <Table
      label="What would happen to each"
      head={['Address', 'Account', 'What would happen']}
      rows={outcomes.map(({ pair, outcome }) => [
        harmless(pair.address),
        <code key="account">{pair.uid}</code>,
        shortText(outcome),
      ])}
      empty=""
      rowHeads
    />
  </>
);

const shortText = (outcome: ClaimOutcome): string =>
  outcome.outcome === 'merged'
    ? `Merge: contact ${outcome.merge.retiredId} ends in contact ${outcome.merge.survivorId}.`
    : harmless(outcomeSentences(outcome).join(' '));
