/** One merge: why, what became of each value, what the mailer was told, and what can be done now. */
import type { VNode } from 'preact';
import type { ContactState } from '../../contacts/identity/contact-index';
import type { Person } from '../../contacts/identity/ownership';
import type { MergeDetails } from '../../contacts/merge/explain';
import { valueAfter } from '../../contacts/merge/explain';
import type { StoredMerge } from '../../contacts/merge/merge';
import { blockedText } from '../../operations/merges/text';
import { harmless } from '../../operations/render';
import type { StoredAuditEntry } from '../../postgres/tables/audit';
import { AuditTable } from '../audit/entries';
import { ContactLink, Facts, Form, Hidden, Table, Time } from '../frame/page';
import { AccountLink } from './account';
import { SamePerson, Tokens, Values } from './explained';
import { addressesText, REASONS } from './list';

interface Props {
  merge: MergeDetails;
  /** Later merges that build on it, newest first. */
  later: readonly StoredMerge[];
  /** The account and the addresses of its contacts now, if they are live. */
  people: ReadonlyMap<string, Person>;
  audit: readonly StoredAuditEntry[];
  /** Whether contact.merged waits in the outbox. */
  isWaiting: boolean;
}

export const MergePage = ({ merge, later, people, audit, isWaiting }: Props): VNode => (
  <>
    <h2>Why the two are one person</h2>
    <SamePerson merge={merge} />
    <Cause merge={merge} />
    <h2>State now</h2>
    <StateNow merge={merge} later={later} people={people} />
    <h2>Side by side</h2>
    <Values merge={merge} />
    <h2>Tokens</h2>
    {merge.undoneAt !== null && <p>Until the undo. Since then, each contact has the token it had before the merge.</p>}
    <Tokens merge={merge} />
    <h2>What the mailer was told</h2>
    <Told merge={merge} isWaiting={isWaiting} />
    <h2>What staff did about it</h2>
    <AuditTable entries={audit} empty="Staff changed nothing about this merge." />
  </>
);

const SOURCES = { fxa: 'the account provider', newsletter: 'a site' };

const EVENTS: Readonly<Record<string, string>> = {
  login: 'a login to the account',
  verified: 'the account was verified',
  primaryEmailChanged: 'the account has a new primary address',
  delete: 'the account was deleted',
  'delete-user': 'the account was deleted',
  'import.account_deleted': 'an import says that the account was deleted',
};

const Cause = ({ merge }: { merge: MergeDetails }): VNode => {
  const { trigger, at, mergedAt, reason } = merge;
  return (
    <Facts
      rows={[
        ['Merged', <Time key="merged" at={mergedAt} />],
        ['Kind', REASONS[reason]],
        [
          'Cause',
          <>
            {Object.hasOwn(EVENTS, trigger.event) && `${EVENTS[trigger.event]}: `}
            event {harmless(trigger.event)} of {SOURCES[trigger.source]}, made <Time at={at} />
          </>,
        ],
        ['Id of the event', <code key="event">{harmless(trigger.id)}</code>],
        ['Account', <AccountLink key="account" uid={merge.uid} />],
        ['Addresses that moved', addressesText(merge.addresses)],
        ['Id of the merge', <code key="merge">{merge.id}</code>],
      ]}
    />
  );
};

function StateNow({ merge, later, people }: Pick<Props, 'merge' | 'later' | 'people'>): VNode {
  const { undoneAt, contacts, survivorId, retiredId } = merge;
  return (
    <>
      {undoneAt === null ? (
        <p>The merge is in force.</p>
      ) : (
        <p>
          The merge was undone <Time at={undoneAt} />: the retired contact became live again, and each contact got back
          the token it had.
        </p>
      )}
      <Facts
        rows={[
          [
            'Survivor',
            <Contact key="survivor" id={survivorId} {...contacts.survivor} person={people.get(survivorId)} />,
          ],
          ['Retired', <Contact key="retired" id={retiredId} {...contacts.retired} person={people.get(retiredId)} />],
        ]}
      />
      {later.length > 0 && (
        <>
          <p>Later merges build on this one. To undo it, first undo these, the newest first:</p>
          <LaterMerges merges={later} />
        </>
      )}
      {undoneAt === null && (
        <p class="actions">
          <a href={`/merges/${merge.id}/undo`}>Preview undoing this merge</a>
        </p>
      )}
      {undoneAt !== null && <Blocked merge={merge} />}
    </>
  );
}

export const LaterMerges = ({ merges }: { merges: readonly StoredMerge[] }): VNode => (
  <ul>
    {merges.map(({ id, mergedAt, addresses }) => (
      <li key={id}>
        <a href={`/merges/${id}`}>
          Merge of <Time at={mergedAt} />
        </a>
        , {addressesText(addresses)}
      </li>
    ))}
  </ul>
);

const STATES: Record<ContactState, string> = {
  live: 'live',
  merged: 'ended in another contact',
  closed: 'closed, because it was left with neither an address nor a live account',
  erased: 'erased',
};

interface ContactProps {
  id: string;
  state: ContactState;
  mergedInto: string | null;
  person: Person | undefined;
}

const Contact = ({ id, state, mergedInto, person }: ContactProps): VNode => (
  <>
    <ContactLink id={id} />: {STATES[state]}
    {person && `, with ${person.addresses.length === 0 ? 'no address' : addressesText(person.addresses)}`}
    {mergedInto !== null && (
      <>
        {', '}
        <ContactLink id={mergedInto} />
      </>
    )}
  </>
);

/** The pairs that the undo left blocked, each with a way out. */
function Blocked({ merge: { id, uid, blocked } }: { merge: MergeDetails }): VNode {
  if (blocked.length === 0) {
    return <p>Nothing is blocked any more: the account’s claims on the addresses count as all others do.</p>;
  }
  return (
    <>
      <h3>Blocked since the undo</h3>
      <p>
        {harmless(blockedText(blocked, 'they are unblocked here'))} So the two contacts are not merged again, even if
        the account provider proves the address again.
      </p>
      <Table
        label="Blocked claims"
        head={['Address', 'Account', 'What to do']}
        rows={blocked.map((address) => [
          harmless(address),
          <AccountLink key="account" uid={uid} />,
          <Form key="unblock" action={`/merges/${id}/unblock`} class="inline">
            <Hidden values={{ address }} />
            <button type="submit" class="outline">
              Preview unblocking {harmless(address)}
            </button>
          </Form>,
        ])}
        empty=""
      />
    </>
  );
}

function Told({ merge, isWaiting }: Pick<Props, 'merge' | 'isWaiting'>): VNode {
  const { announced, undoneAt, tokenKept, tokenRetired, survivorId, retiredId } = merge;
  if (!announced) {
    return (
      <p>
        Nothing: the merge was not announced. Either the retired contact had not been published yet, so that no mailer
        knew it, or the claim was released without telling the mailer.
      </p>
    );
  }
  const { added, ended } = newslettersOf(merge);
  return (
    <>
      <p>
        {isWaiting
          ? 'The message contact.merged is still waiting to be sent. It says:'
          : 'The mailer was sent the message contact.merged. It says:'}
      </p>
      <ul>
        <li>
          Contact <code>{retiredId}</code>, with {addressesText(merge.addresses)}, is now part of contact{' '}
          <code>{survivorId}</code>.
        </li>
        <li>
          Mails to the reader carry the token <code>{tokenKept}</code>
          {tokenRetired === null ? (
            '.'
          ) : (
            <>
              , no longer <code>{tokenRetired}</code>.
            </>
          )}
        </li>
        <li>{harmless(added)}</li>
        <li>{harmless(ended)}</li>
      </ul>
      {undoneAt !== null && <p>After the undo, the message contact.unmerged told both contacts as they are since.</p>}
    </>
  );
}

/** What the message says about newsletters, as far as the explanation is known. */
function newslettersOf({ explanation }: MergeDetails): { added: string; ended: string } {
  if (!explanation) return { added: 'What it said about newsletters is not recorded any more.', ended: '' };
  const all = Object.entries(explanation.newsletters).sort(([a], [b]) => (a < b ? -1 : 1));
  const has = (it: { state: string } | undefined): boolean => it?.state === 'subscribed';
  const named = (names: string[]): string => names.join(', ') || 'none';
  const added = all.filter(([, it]) => has(valueAfter(it)) && !has(it.survivor));
  const ended = all.filter(([, it]) => !has(valueAfter(it)) && (has(it.survivor) || has(it.retired)));
  return {
    added: `Newsletters that the account got: ${named(added.map(([name]) => name))}.`,
    ended: `Newsletters that ended: ${named(ended.map(([name]) => name))}.`,
  };
}
