/** Accounts in pages: as a link, and as the field of a filter. */
import type { VNode } from 'preact';
import { shownKey } from '../../contacts/facts/pseudonym';

/** An account, as a link to its merges. */
export const AccountLink = ({ uid }: { uid: string | null }): VNode => {
  const shown = shownKey(uid);
  if (shown === null) return <>{uid === null ? 'no account' : 'an account that was erased'}</>;
  return (
    <a href={`/merges?account=${shown}`}>
      <code>{shown}</code>
    </a>
  );
};

export const NOT_A_UID = 'This is not an account: a uid has 32 hexadecimal digits.';

/** @param value as it was typed */
export const AccountField = ({ value, isInvalid }: { value: string; isInvalid: boolean }): VNode => (
  <label>
    Account
    <input
      name="account"
      value={value}
      autocomplete="off"
      aria-describedby="account-hint"
      aria-invalid={isInvalid || undefined}
    />
    <small id="account-hint">The uid of an account, 32 hexadecimal digits. Empty for all accounts.</small>
  </label>
);
