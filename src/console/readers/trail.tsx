/** What happened to a contact: merges, notifications, and what operators did. */
import type { VNode } from 'preact';
import type { StoredMerge } from '../../contacts/merge/merge';
import type { NOTIFICATION_TYPES } from '../../messages/outgoing/notification-message';
import { SEARCHED_ENTRIES } from '../../postgres/tables/audit';
import { AuditTable } from '../audit/entries';
import { ContactLink, MergeLink, Table, Time } from '../frame/page';
import { SHOWN, type Trail } from './load';

interface OfContact {
  id: string;
  /** The account of a live contact. */
  uid?: string | null;
  trail: Trail;
}

export const TrailSections = ({ id, uid = null, trail }: OfContact): VNode => (
  <>
    <h2>Merges</h2>
    <p>
      A merge makes one reader of two, when the account service proves that both are one person. If a merge was wrong,
      undo it: a preview shows both readers as they would be.
    </p>
    <Merges id={id} merges={trail.merges} />
    {trail.hasMoreMerges && (
      <p>
        These are the newest {SHOWN}.{' '}
        {uid !== null && <a href={`/merges?account=${uid}`}>All merges of this reader's account</a>}
      </p>
    )}
    <h2>Notifications to other systems</h2>
    <Notifications {...trail} />
    <h2>What operators did</h2>
    <AuditTable entries={trail.entries} empty="No entry names this reader." />
    <p>
      <small>
        The newest {SHOWN} entries that name this reader, among the last {SEARCHED_ENTRIES.toLocaleString('en')} of the{' '}
        <a href="/audit">audit</a>. Dry runs and look-ups are not recorded.
      </small>
    </p>
  </>
);

const Merges = ({ id, merges }: { id: string; merges: readonly StoredMerge[] }): VNode => (
  <Table
    label="Merges"
    head={['When', 'What happened', 'Addresses that moved', 'State', 'Merge']}
    rows={merges.map((merge) => [
      <Time key="at" at={merge.mergedAt} />,
      <Role key="role" id={id} merge={merge} />,
      merge.addresses.join(', ') || 'erased',
      merge.undoneAt === null ? (
        <>
          in effect: <a href={`/merges/${merge.id}/undo`}>see what an undo would do</a>
        </>
      ) : (
        <>
          undone on <Time at={merge.undoneAt} />
        </>
      ),
      <MergeLink key="id" id={merge.id} />,
    ])}
    empty="This reader was never merged with another one."
  />
);

const Role = ({ id, merge: { survivorId, retiredId } }: { id: string; merge: StoredMerge }): VNode =>
  survivorId === id ? (
    <>
      Reader <ContactLink id={retiredId} /> became part of this one
    </>
  ) : (
    <>
      This reader became part of <ContactLink id={survivorId} />
    </>
  );

const TYPES: Record<(typeof NOTIFICATION_TYPES)[number], string> = {
  'contact.merged': 'two readers became one',
  'contact.unmerged': 'a merge was undone',
  'contact.email_changed': 'the address to mail changed',
  'contact.review_needed': 'an account was left without an address',
  'contact.account_deleted': 'the account was deleted',
  'contact.closed': 'the contact was closed',
  'contact.erased': 'the reader was erased',
  'contact.confirmation_needed': 'send a confirmation mail',
  'contact.changed': 'something of the reader changed',
};

/** Published messages are deleted, so only the merges tell what was sent. */
function Notifications({ merges, waiting: { messages, isPartial } }: Pick<Trail, 'merges' | 'waiting'>): VNode {
  const waiting = new Set(messages.map(({ messageId }) => messageId));
  return (
    <>
      {messages.length === 0 ? (
        <p>
          {isPartial
            ? 'None of the 2,000 oldest notifications that wait is about this reader.'
            : 'None waits to be sent.'}
        </p>
      ) : (
        <ul>
          {messages.map(({ type, messageId, createdAt }) => (
            <li key={messageId}>
              <code>{type}</code> ({TYPES[type as keyof typeof TYPES] ?? 'unknown to this version'}) has been waiting to
              be sent since <Time at={createdAt} />
            </li>
          ))}
        </ul>
      )}
      {merges.length > 0 && (
        <ul>
          {merges.map(({ id, announced, mergedAt }) => (
            <li key={id}>
              {sentText(announced, waiting.has(id), isPartial)} Merge of <Time at={mergedAt} />, <MergeLink id={id} />.
            </li>
          ))}
        </ul>
      )}
      <p>
        <small>
          Nothing else is known of what was sent: a notification is kept only until the broker has it. Other systems say
          in their own logs what they did with it.
        </small>
      </p>
    </>
  );
}

function sentText(announced: boolean, waits: boolean, isPartial: boolean): string {
  if (!announced) return 'Not announced: other systems had not heard of the other reader, or staff chose so.';
  if (waits) return 'Not sent yet.';
  return isPartial ? 'Announced; perhaps not sent yet.' : 'Sent to other systems.';
}
