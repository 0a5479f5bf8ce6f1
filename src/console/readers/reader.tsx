/** A reader on one page. */
import type { VNode } from 'preact';
import type { StoredContact } from '../../contacts/profile/contact-snapshot';
import { knownTime } from '../../messages/outgoing/contact-body';
import { consentBody } from '../../operations/consent/body';
import type { Reader } from '../../postgres/look-ups/find-contact';
import type { InactiveClaim } from '../../postgres/look-ups/find-inactive-claims';
import { ContactLink, Facts, MergeLink, Table, Time } from '../frame/page';
import { formatText, Ledger, LedgerRules } from '../privacy/ledger';
import { FindForm } from './find';
import type { Trail } from './load';
import { Mailable, Newsletters } from './mail';
import { TrailSections } from './trail';

interface ReaderPageProps {
  reader: Reader;
  inactive: readonly InactiveClaim[];
  trail: Trail;
}

/** Choices on the page; the consent page has all. */
const CHOICES = 100;

export function ReaderPage({ reader, inactive, trail }: ReaderPageProps): VNode {
  const { contact, person, facts } = reader;
  const { id } = contact;
  const choices = consentBody(reader).choices.reverse();
  const deletedAt = person.uid === null ? undefined : facts.accounts.get(person.uid)?.deletedAt;
  return (
    <>
      <p class="actions">
        <a href={`/contacts/${id}/opt-out`}>Opt out of all email</a>
        <a href={`/contacts/${id}/consent`}>Proof of consent</a>
        <a href={`/contacts/${id}/erase`}>Erase this reader</a>
      </p>
      <h2>Who it is</h2>
      <About contact={contact} uid={person.uid} deletedAt={deletedAt} />
      <h2>Addresses</h2>
      <Addresses contact={contact} hasAccount={person.uid !== null} />
      <h2>Can this reader be mailed?</h2>
      <Mailable contact={contact} choices={choices} />
      <h2>Newsletters</h2>
      <Newsletters contact={contact} />
      <h2>What the reader chose, and what counts</h2>
      <Ledger choices={choices.slice(0, CHOICES)} empty="No choice of this reader is known." />
      {choices.length > CHOICES && (
        <p>
          These are the newest {CHOICES} of {choices.length.toLocaleString('en')}:{' '}
          <a href={`/contacts/${id}/consent`}>all choices</a>
        </p>
      )}
      <LedgerRules />
      <h2>Does this person get mail twice?</h2>
      <Twice inactive={inactive} />
      <TrailSections id={id} uid={person.uid} trail={trail} />
    </>
  );
}

interface AboutProps {
  contact: StoredContact;
  uid: string | null;
  deletedAt: number | undefined;
}

function About({ contact: { id, token, version, createdAt, updatedAt, view }, uid, deletedAt }: AboutProps): VNode {
  const { profile, accountProfile } = view;
  return (
    <Facts
      rows={[
        ['Name', [profile.firstName, profile.lastName].filter(Boolean).join(' ')],
        ['Language', profile.lang],
        ['Country', profile.country],
        ['Format of mails', profile.format && formatText(profile.format)],
        ['Account', uid === null ? 'none: this reader only signed up for newsletters' : <code>{uid}</code>],
        ['Account deleted', deletedAt === undefined ? null : <Time at={deletedAt} />],
        [
          'Account created',
          typeof accountProfile?.createdAt === 'number' ? <Time at={knownTime(accountProfile.createdAt)} /> : null,
        ],
        ['First used for', accountProfile?.firstService],
        ['Locale of the account', accountProfile?.locale],
        ['Contact', <code key="id">{id}</code>],
        ['Token', <code key="token">{token}</code>],
        ['Stored since', <Time key="created" at={createdAt} />],
        [
          'Last change',
          <>
            <Time at={updatedAt} /> (version {version})
          </>,
        ],
      ]}
    />
  );
}

const Addresses = ({ contact: { view }, hasAccount }: { contact: StoredContact; hasAccount: boolean }): VNode => (
  <Table
    label="Addresses"
    head={['Address', 'Mail goes there', 'Proven to be the reader’s']}
    rows={view.emails.map(({ address, primary, verified }) => [
      address,
      primary ? 'yes: the primary address' : 'no',
      verified ? (hasAccount ? 'yes, by the account or a confirmation' : 'yes, by a confirmation') : 'no',
    ])}
    empty="This account has no address: another reader owns the address that it claimed last."
  />
);

const Twice = ({ inactive }: { inactive: readonly InactiveClaim[] }): VNode => (
  <>
    <p>
      This reader gets each mail once, at the primary address. A person who gets a mail at two addresses is two readers
      here. Look for the other address and compare the pages. Staff cannot merge the two: they become one reader when
      the person adds the other address to their account, because only the account service can prove that both are one
      person. Until then, the person can opt out with one of them.
    </p>
    {inactive.length > 0 && (
      <ul>
        {inactive.map((claim) => (
          <li key={`${claim.uid} ${claim.address}`}>
            <Claim claim={claim} />
          </li>
        ))}
      </ul>
    )}
    <FindForm label="Another address of the person" />
  </>
);

/** A claim that would join two readers if it counted. */
function Claim({
  claim: { status, address, uid, at, mergeId, holderId, claimantId },
}: {
  claim: InactiveClaim;
}): VNode {
  const readers = (
    <>
      account <code>{uid}</code>
      {claimantId !== null && (
        <>
          {' '}
          (reader <ContactLink id={claimantId} />)
        </>
      )}{' '}
      owns <strong>{address}</strong>
      {holderId !== null && (
        <>
          , which reader <ContactLink id={holderId} /> has
        </>
      )}
    </>
  );
  return status === 'held' ? (
    <>
      On <Time at={at} /> the account service proved that {readers}. This claim waits for a decision, because of
      MERGE_MODE or MERGE_PERCENT: <a href={`/collisions?account=${uid}`}>decide it</a>.
    </>
  ) : (
    <>
      The account service may prove that {readers}: it does not count, because{' '}
      {mergeId !== null && (
        <>
          merge <MergeLink id={mergeId} />{' '}
        </>
      )}
      was undone on <Time at={at} />. The merge's page can let it count again.
    </>
  );
}
