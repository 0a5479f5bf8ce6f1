/** A contact that was merged, closed or erased: what happened, and where the reader is now. */
import type { VNode } from 'preact';
import type { EndedContact } from '../../postgres/look-ups/find-ended';
import { ContactLink, MergeLink, Time } from '../frame/page';
import type { Trail } from './load';
import { TrailSections } from './trail';

export const EndedPage = ({ contact, trail }: { contact: EndedContact; trail: Trail }): VNode => (
  <>
    <p>
      Contact <code>{contact.id}</code>
    </p>
    {HAPPENED[contact.state]({ contact, trail })}
    <p>Only this console still knows the id: other systems get the answer that it is unknown.</p>
    <TrailSections id={contact.id} trail={trail} />
  </>
);

interface Ended {
  contact: EndedContact;
  trail: Trail;
}

const HAPPENED: Record<EndedContact['state'], (ended: Ended) => VNode> = {
  merged: ({ contact: { id, mergedInto, updatedAt }, trail }) => {
    const merge = trail.merges.find(({ retiredId, undoneAt }) => retiredId === id && undoneAt === null);
    return (
      <>
        <p class="notice">
          This reader was merged on <Time at={merge?.mergedAt ?? updatedAt} />
          {merge && (
            <>
              {' '}
              by merge <MergeLink id={merge.id} />
            </>
          )}
          , because the account service proved that two readers are one person. The reader is now{' '}
          <ContactLink id={mergedInto as string} />, with all addresses and choices.
        </p>
        {merge && (
          <p>
            Was that wrong? <a href={`/merges/${merge.id}`}>The merge's page</a> says why it happened, and can undo it.
          </p>
        )}
      </>
    );
  },
  closed: ({ contact: { updatedAt } }) => (
    <p class="notice">
      This contact was closed on <Time at={updatedAt} />: its last address went to a different person, so it was left
      with nothing, and nothing was merged. Look for the address: <a href="/">find a reader</a>.
    </p>
  ),
  erased: () => (
    <>
      <p class="notice">
        This reader was erased. Only the id is left, so that it is never used again: who it was, and when it was erased,
        cannot be told from it.
      </p>
      <p>
        <a href="/audit?command=erase">The audit</a> has who erased when and why.
      </p>
    </>
  ),
};
