import type { VNode } from 'preact';
import type { MergeReason, StoredMerge } from '../../contacts/merge/merge';
import { harmless } from '../../operations/render';
import { Problem, Table, Time } from '../frame/page';
import { AccountField, AccountLink } from './account';

export const PAGE = 50;

export const REASONS: Record<MergeReason, string> = {
  claim: 'The account proved an address without an account',
  recreated: 'The account was deleted and made again',
  deletion: 'The account was deleted and made again; its deletion came late',
};

export const addressesText = (addresses: readonly string[]): string =>
  harmless(addresses.join(', ')) || 'an address that is erased';

export interface MergeQuery {
  /** As it was typed. */
  account: string;
  undone: boolean;
  before?: bigint | undefined;
}

interface Props {
  query: MergeQuery;
  merges: readonly StoredMerge[];
  /** Whether older ones follow. */
  hasMore: boolean;
  problem?: string | undefined;
}

export const MergeList = ({ query, merges, hasMore, problem }: Props): VNode => (
  <>
    <p>
      A merge makes one contact of two that belong to one person: the account provider proved that an account owns the
      address of another contact. The newest come first.
    </p>
    <form method="get" action="/merges">
      <AccountField value={query.account} isInvalid={problem !== undefined} />
      <label>
        <input type="checkbox" name="undone" value="yes" checked={query.undone} />
        Only merges that were undone
      </label>
      <button type="submit">Show merges</button>
    </form>
    {problem === undefined ? (
      <Table
        label="Merges"
        head={['Merged', 'Why', 'Account', 'Addresses that moved', 'State', 'Mailer']}
        rows={merges.map(rowOf)}
        empty={emptyText(query)}
        rowHeads
      />
    ) : (
      <Problem>{problem}</Problem>
    )}
    {hasMore && (
      <p>
        <a href={olderThan(query, merges)} rel="next">
          Older merges
        </a>
      </p>
    )}
  </>
);

const rowOf = ({ id, mergedAt, reason, uid, addresses, undoneAt, announced }: StoredMerge) => [
  <a key="id" href={`/merges/${id}`}>
    <Time at={mergedAt} />
  </a>,
  REASONS[reason],
  <AccountLink key="account" uid={uid} />,
  addressesText(addresses),
  undoneAt === null ? (
    'In force'
  ) : (
    <>
      Undone <Time at={undoneAt} />
    </>
  ),
  announced ? 'Told' : 'Not told',
];

function emptyText({ account, undone, before }: MergeQuery): string {
  if (before !== undefined) return 'There are no older merges.';
  const which = undone ? 'No merge was undone' : 'No contacts were merged';
  if (account === '') return `${which} yet.`;
  return `${which} for this account. To find a reader’s account, use Find.`;
}

function olderThan({ account, undone }: MergeQuery, merges: readonly StoredMerge[]): string {
  const query = new URLSearchParams();
  if (account !== '') query.set('account', account);
  if (undone) query.set('undone', 'yes');
  query.set('before', String(merges.at(-1)?.seq));
  return `/merges?${query}`;
}
