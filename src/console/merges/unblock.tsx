/** What unblocking would do, and the form that does it. */
import type { VNode } from 'preact';
import type { MergeDetails } from '../../contacts/merge/explain';
import type { UnblockResult } from '../../operations/merges/run';
import { harmless } from '../../operations/render';
import { Form, Hidden, Problem, ReasonField } from '../frame/page';
import { AccountLink } from './account';
import { Outcome } from './explained';

interface Props {
  merge: MergeDetails;
  address: string;
  unblock: UnblockResult;
  problem?: string | undefined;
}

export const UnblockPage = ({ merge: { id, uid }, address, unblock, problem }: Props): VNode => (
  <>
    {problem !== undefined && <Problem>{problem}</Problem>}
    <p>
      Since the undo, the claims of account <AccountLink uid={uid} /> on {harmless(address)} do not count. Unblock them
      if the undo was wrong, or if the account provider should decide again. Claims that came in the meantime count,
      too.
    </p>
    <h2>What would happen</h2>
    <Outcome outcome={unblock.outcome} />
    {unblock.outcome.outcome === 'merged' && (
      <p>The mailer is told of this merge. It has a new id, and can be undone like the first one.</p>
    )}
    <h2>Unblock</h2>
    <p>Nothing was changed yet.</p>
    <Form action={`/merges/${id}/unblock/confirm`}>
      <Hidden values={{ address, seen: unblock.effect ?? '' }} />
      <ReasonField />
      <button type="submit">Unblock {harmless(address)}</button>
    </Form>
    <p>
      <a href={`/merges/${id}`}>Back to the merge</a>
    </p>
  </>
);
