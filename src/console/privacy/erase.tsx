/** Erasing a reader: what would be deleted, the question, and what was deleted. */
import type { VNode } from 'preact';
import type { Erased } from '../../operations/erase/run';
import { deletedText, NO_ERASURE_KEY } from '../../operations/erase/text';
import { ContactLink, Form, Hidden, Problem, ReasonField } from '../frame/page';

/** What must not have grown between the question and the answer: then it is about more than what was shown. */
export const COMPARED = ['contacts', 'addresses', 'accounts', 'merges'] as const;

interface EraseProps {
  id: string;
  deleted: Erased['deleted'];
  /** Whether dead letters can be dropped, too. */
  hasBroker: boolean;
  hasAddress: boolean;
  problem?: string | undefined;
}

export function ErasePage({ id, deleted, hasBroker, hasAddress, problem }: EraseProps): VNode {
  const shown = Object.fromEntries(COMPARED.map((name) => [name, String(deleted[name])]));
  return (
    <>
      {problem !== undefined && <Problem>{problem}</Problem>}
      <p>
        Everything about reader <ContactLink id={id} /> would be deleted for good: {deletedText(deleted)}. Nothing is
        deleted yet.
      </p>
      <ul>
        <li>It cannot be undone, not even by the team that runs OneContact.</li>
        <li>
          Keyed hashes of the addresses and the account stay, so that a late event does not bring the person back. A new
          sign-up makes a new reader, who has opted out of nothing: if the person wants no mail rather than no data, opt
          them out instead.
        </li>
        <li>Other systems are told by contact.erased. Backups and the data of other systems are not reached.</li>
        <li>If the person wants a copy of the consent, download it first: it is deleted, too.</li>
      </ul>
      <Form action={`/contacts/${id}/erase`}>
        <Hidden values={shown} />
        <label>
          {hasAddress ? 'Type an email address of this reader' : 'Type the account of this reader'}
          <input
            name="typed"
            required
            maxLength={600}
            autocomplete="off"
            spellcheck={false}
            aria-describedby="typed-hint"
            aria-invalid={problem === undefined ? undefined : true}
          />
          <small id="typed-hint">To make sure that it is the right reader: type it from the request.</small>
        </label>
        {hasBroker ? (
          <label>
            <input type="checkbox" name="dead_letters" value="yes" checked />
            Also drop the messages of this person that could not be handled (dead letters)
          </label>
        ) : (
          <p>
            No broker is configured for this console, so dead letters that name this person are not dropped: ask the
            team that runs OneContact to do that.
          </p>
        )}
        <ReasonField hint="Such as the number of a ticket. It outlives the erasure: do not name the person." />
        <button type="submit">Erase this reader for good</button>
      </Form>
    </>
  );
}

export const NoKeyPage = ({ id }: { id: string }): VNode => (
  <>
    <Problem>Erasing is not possible yet: {NO_ERASURE_KEY}</Problem>
    <p>
      Ask the team that runs OneContact to set it, and to restart the console. Until then, the reader can be opted out:{' '}
      <a href={`/contacts/${id}/opt-out`}>opt out of all email</a>.
    </p>
  </>
);

interface ErasedProps {
  deleted: Erased['deleted'];
  /** Null if they were not searched. */
  deadLetters: number | null;
}

export const ErasedPage = ({ deleted, deadLetters }: ErasedProps): VNode => (
  <>
    <p role="status" class="notice">
      The reader was erased. Deleted: {deletedText(deleted)}.
      {deadLetters !== null && ` Dead letters that named the person: ${deadLetters} dropped.`}
    </p>
    <h2>What is not reached</h2>
    <ul>
      <li>Backups: after an older one is restored, the list of erasures has to be applied again.</li>
      <li>Other systems, such as the mailer: contact.erased tells them which ids to delete. They do it themselves.</li>
      {deadLetters === null && <li>Dead letters: they may still name the person.</li>}
      <li>Notes and tickets outside of OneContact.</li>
    </ul>
    <p>
      <a href="/audit?command=erase">The audit</a> has who erased when and why, without the name of the person.
    </p>
  </>
);
