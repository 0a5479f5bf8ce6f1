import type { VNode } from 'preact';
import { shownKey } from '../../contacts/facts/pseudonym';
import type { HeldClaims, Pair } from '../../operations/collisions/store';
import { count, harmless, number } from '../../operations/render';
import { ContactLink, Form, Hidden, Problem, Table, Time } from '../frame/page';
import { AccountField } from '../merges/account';

export const PAGE = 50;
/** Pairs are counted up to here: the number only says how much there is to do. */
export const COUNTED = 1_000;
/** Pairs that are released together. */
export const AT_ONCE = 100;

export const pairText = ({ uid, address }: Pair): string => `${uid} ${address}`;

interface Props {
  /** The account of all pairs; empty for any. As it was typed. */
  account: string;
  held: readonly HeldClaims[];
  hasMore: boolean;
  /** Up to {@link COUNTED}. */
  total: number;
  problem?: string | undefined;
}

export const CollisionList = ({ account, held, hasMore, total, problem }: Props): VNode => (
  <>
    <p>
      A claim is held when the account provider proved that an account owns an address, and another contact has this
      address. It waits here for a decision, because MERGE_MODE is observe, or because the account is outside
      MERGE_PERCENT. Until then both contacts stay as they are, and the reader may get mails twice.
    </p>
    <form method="get" action="/collisions">
      <AccountField value={account} isInvalid={problem !== undefined} />
      <button type="submit">Show held claims</button>
    </form>
    {problem === undefined ? (
      <Held account={account} held={held} hasMore={hasMore} total={total} />
    ) : (
      <Problem>{problem}</Problem>
    )}
    <h2>Accounts without an address</h2>
    <p>
      An account can lose its last address to another account. <a href="/collisions/accounts">Look for such accounts</a>
    </p>
  </>
);

function Held({ account, held, hasMore, total }: Omit<Props, 'problem'>): VNode {
  const last = held.at(-1);
  if (!last) return <Nothing account={account} />;
  return (
    <>
      <p>
        <strong>{totalText(total)}</strong> of address and account {total === 1 ? 'is' : 'are'} held
        {account === '' ? '' : ' for this account'}.
      </p>
      <Table
        label="Held claims"
        head={['Address', 'Claimed by account', 'Claimed', 'The address is now with', 'What to do']}
        rows={held.map(rowOf)}
        empty=""
        rowHeads
      />
      <div class="actions">
        {hasMore && (
          <Form action="/collisions">
            <Hidden values={{ account, after: pairText(last) }} />
            <button type="submit" class="outline">
              Next page
            </button>
          </Form>
        )}
        {held.length > 1 && (
          <Form action="/collisions/preview">
            <Pairs pairs={held} />
            <button type="submit" class="outline">
              Preview releasing the {number(held.length)} on this page
            </button>
          </Form>
        )}
        {account !== '' && total > held.length && (
          <Form action="/collisions/preview">
            <Hidden values={{ account }} />
            <button type="submit" class="outline">
              Preview releasing {total > AT_ONCE ? `${number(AT_ONCE)} claims` : `all ${number(total)}`} of this account
            </button>
          </Form>
        )}
      </div>
    </>
  );
}

const Nothing = ({ account }: { account: string }): VNode => (
  <p>
    {account === '' ? 'No claims are held.' : 'No claims of this account are held.'} Nothing has to be decided here.
    Claims are held only while MERGE_MODE is observe, or MERGE_PERCENT is below 100. Otherwise the two contacts are
    merged at once: see <a href="/merges">Merges</a>.
  </p>
);

const totalText = (total: number): string =>
  total >= COUNTED ? `${number(COUNTED)} pairs or more` : count(total, 'pair');

const rowOf = (held: HeldClaims) => [
  harmless(held.address),
  <a href={`/collisions?account=${held.uid}`}>
    <code>{held.uid}</code>
  </a>,
  <Claimed key="claimed" held={held} />,
  <Holder key="holder" held={held} />,
  <Form key="preview" action="/collisions/preview" class="inline">
    <Pairs pairs={[held]} />
    <button type="submit" class="outline">
      Preview releasing {harmless(held.address)}
    </button>
  </Form>,
];

const Claimed = ({ held: { claims, since, until, event } }: { held: HeldClaims }): VNode => (
  <>
    <Time at={since} />, by {harmless(event)}
    {claims > 1 && (
      <>
        , {number(claims)} times, last <Time at={until} />
      </>
    )}
  </>
);

const Holder = ({ held: { contactId, contactUid } }: { held: HeldClaims }): VNode => (
  <>
    {contactId === null ? 'no contact' : <ContactLink id={contactId} />}
    {contactUid === null ? ', which has no account' : `, of account ${shownKey(contactUid) ?? 'that was erased'}`}
  </>
);

/** The pairs of a form, in which their addresses stand: never in a URL. */
export const Pairs = ({ pairs }: { pairs: readonly Pair[] }): VNode => (
  <>
    {pairs.map((pair) => (
      <input key={pairText(pair)} type="hidden" name="pair" value={pairText(pair)} />
    ))}
  </>
);
