import type { VNode } from 'preact';
import type { AccountsStep, AccountWithoutAddress } from '../../operations/collisions/store';
import { harmless } from '../../operations/render';
import { ContactLink, Table, Time } from '../frame/page';
import { AccountLink } from '../merges/account';

export const ACCOUNTS = 50;

export const AccountList = ({ page: { found, upTo } }: { page: AccountsStep }): VNode => (
  <>
    <p>
      These accounts are live but have no address, because another account proved later that it owns their last one.
      They cannot be mailed. Their newsletters and opt-outs are kept.
    </p>
    <h2>What to do</h2>
    <ul>
      <li>
        Usually nothing: as soon as the reader logs in with an address or adds one, the account provider proves it and
        the account gets it.
      </li>
      <li>
        If a reader asks: look at the contact that has the address now. If it is the reader’s own second account, all is
        well there.
      </li>
      <li>
        If the address went to another reader by mistake: the reader who lost it verifies it again in their account,
        which takes it back.
      </li>
    </ul>
    <h2>Accounts</h2>
    <Table
      label="Accounts without an address"
      head={['Account', 'Contact', 'Address it had last', 'The address is now with']}
      rows={found.map(rowOf)}
      empty={upTo === null ? 'Every account that was looked at has an address.' : 'None was found so far.'}
      rowHeads
    />
    {upTo !== null && (
      <p>
        Accounts are looked at in the order of their uids, and there are more behind <code>{upTo}</code>.{' '}
        <a href={`/collisions/accounts?after=${upTo}`} rel="next">
          Look further
        </a>
      </p>
    )}
    <p>
      <a href="/collisions">Back to the held claims</a>
    </p>
  </>
);

const rowOf = ({ uid, contactId, address, claimedAt, holderId }: AccountWithoutAddress) => [
  <AccountLink key="account" uid={uid} />,
  <ContactLink key="contact" id={contactId} />,
  address === null ? (
    'unknown'
  ) : (
    <>
      {harmless(address)}, claimed <Time at={claimedAt} />
    </>
  ),
  holderId === null ? 'no contact' : <ContactLink key="holder" id={holderId} />,
];
