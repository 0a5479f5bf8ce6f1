/** What an undo would do, and the form that does it; or why it cannot be done. */
import type { VNode } from 'preact';
import type { StoredMerge } from '../../contacts/merge/merge';
import type { StoredContact } from '../../contacts/profile/contact-snapshot';
import type { Subscription } from '../../contacts/profile/contact-view';
import type { UndoResult } from '../../operations/merges/run';
import { blockedText, REFUSALS } from '../../operations/merges/text';
import { harmless } from '../../operations/render';
import { ContactLink, Facts, Form, Hidden, Problem, ReasonField } from '../frame/page';
import { AccountLink } from './account';
import { addressesText } from './list';
import { LaterMerges } from './show';

interface Props {
  undo: UndoResult;
  later: readonly StoredMerge[];
  /** Who has the addresses now, for a refusal. */
  holders: readonly { address: string; contactId: string }[];
  problem?: string | undefined;
}

export function UndoPage({ undo, later, holders, problem }: Props): VNode {
  const { result, merge } = undo;
  const back = <a href={`/merges/${merge.id}`}>Back to the merge</a>;
  if (result === 'already_undone') {
    return (
      <Problem>
        <p>This merge was undone before: nothing to do.</p>
        <p>{back}</p>
      </Problem>
    );
  }
  if (result !== 'undone') {
    return (
      <>
        <Problem>
          <p>{REFUSALS[result]} Nothing was changed.</p>
        </Problem>
        <h2>What to do</h2>
        {later.length > 0 ? (
          <>
            <p>Undo the merges that came later, the newest first. Then come back to this one:</p>
            <LaterMerges merges={later} />
          </>
        ) : (
          <Holders holders={holders} survivorId={merge.survivorId} />
        )}
        <p>{back}</p>
      </>
    );
  }
  return <Preview undo={undo} problem={problem} back={back} />;
}

const Holders = ({ holders, survivorId }: Pick<Props, 'holders'> & { survivorId: string }): VNode => (
  <>
    <p>
      {holders.length === 0
        ? 'No contact has the addresses of the merge now.'
        : 'The addresses of the merge are here now:'}
    </p>
    <ul>
      {holders.map(({ address, contactId }) => (
        <li key={address}>
          {harmless(address)}: contact <ContactLink id={contactId} />
          {contactId === survivorId ? ', the survivor of this merge' : ''}
        </li>
      ))}
    </ul>
    <p>
      The owner of an address can take it back at any time: they verify it in an account of their own, and OneContact
      moves it to them. To stop mails to an address, opt it out on its reader’s page.
    </p>
  </>
);

function Preview({ undo, problem, back }: { undo: UndoResult; problem: string | undefined; back: VNode }): VNode {
  const { merge, after, effect } = undo;
  const { id, survivorId, retiredId, uid, addresses, announced } = merge;
  return (
    <>
      {problem !== undefined && <Problem>{problem}</Problem>}
      <p>Nothing was changed yet. This is what both contacts would be after the undo.</p>
      <div class="sides">
        <Side title="The retired contact, live again" id={retiredId} contact={after?.retired} undo={undo} />
        <Side title="The survivor" id={survivorId} contact={after?.survivor} undo={undo} />
      </div>
      <h2>What else changes</h2>
      <ul>
        <li>
          {harmless(blockedText(addresses, 'they are unblocked on the page of this merge'))} So the account{' '}
          <AccountLink uid={uid} /> does not take {addressesText(addresses)} again at its next login.
        </li>
        <li>
          Each contact keeps the choices that were made at its own addresses and in its own account. An opt-out that the
          reader made while the merge stood counts for both.
        </li>
        <li>
          {announced
            ? 'The mailer is sent the message contact.unmerged, with both contacts.'
            : 'The mailer is told nothing, because it was not told of the merge either.'}
        </li>
      </ul>
      <h2>Undo</h2>
      <Form action={`/merges/${id}/undo`}>
        <Hidden values={{ seen: effect ?? '' }} />
        <ReasonField />
        <button type="submit">Undo this merge</button>
      </Form>
      <p>{back}</p>
    </>
  );
}

interface SideProps {
  title: string;
  id: string;
  contact: StoredContact | undefined;
  undo: UndoResult;
}

const Side = ({ title, id, contact, undo }: SideProps): VNode => (
  <article>
    <h2>{title}</h2>
    <Facts
      rows={[
        ['Contact', <ContactLink key="id" id={id} />],
        ['Token', <TokenAfter key="token" token={undo.tokenOf(id)} undo={undo} />],
        ...(contact ? viewRows(contact) : []),
      ]}
    />
  </article>
);

function TokenAfter({ token, undo: { merge } }: { token: string | null; undo: UndoResult }): VNode {
  if (token === null) return <>a new one, which is made by the undo</>;
  const note = token === merge.tokenRetired ? 'works again' : 'works as it does now, for this contact';
  return (
    <>
      <code>{token}</code>, {note}
    </>
  );
}

function viewRows({ view }: StoredContact): [string, VNode | string][] {
  const { emails, account, profile, newsletters, optedOut } = view;
  const addresses = emails.map(({ address, primary }) => `${harmless(address)}${primary ? ' (primary)' : ''}`);
  return [
    ['Addresses', addresses.join(', ') || 'none'],
    ['Account', account === null ? 'none' : <AccountLink uid={account} />],
    ['First name', harmless(profile.firstName ?? '')],
    ['Last name', harmless(profile.lastName ?? '')],
    ['Country', harmless(profile.country ?? '')],
    ['Language', harmless(profile.lang ?? '')],
    ['All email', optedOut ? 'opted out' : 'not opted out'],
    ['Newsletters', newsletters.size === 0 ? 'none' : <Newsletters newsletters={newsletters} />],
  ];
}

const Newsletters = ({ newsletters }: { newsletters: ReadonlyMap<string, Subscription> }): VNode => (
  <ul>
    {[...newsletters].map(([name, { state, by }]) => (
      <li key={name}>
        {harmless(name)}: {by === 'unconfirmed' ? 'waits for a confirmation' : state}
      </li>
    ))}
  </ul>
);
