/** The consent ledger in words, for the command and the console. */
import type { Why } from '../../contacts/profile/consent';
import type { ChoiceBody } from './body';

/** Why a choice counts or not, for people. */
export const WHY: Record<Why, string> = {
  decides: 'latest choice for this newsletter',
  stands: 'opt-out in force',
  ends: 'opt-out whose effect on newsletters lasts',
  lifts: 'proof that lifted the opt-out',
  confirms: 'proven confirmation',
  superseded: 'superseded by a later choice',
  explains: 'reason given for a refusal',
  explains_nothing: 'no refusal came before this reason',
  refuses_nothing: 'nothing that it refuses is known',
  refusal_wins: 'an opt-out or unsubscribe at the same time wins',
  ended_by_opt_out: 'ended by an opt-out',
  unproven_while_opted_out: 'made while opted out, without proof',
  unproven: 'confirmation without proof',
  lifted: 'lifted by a later proof',
  not_their_period: 'made while the address belonged to another account',
  account_deleted: 'the account was deleted',
};

/** What a choice is about. */
export function aboutText({ newsletter, refused }: ChoiceBody): string {
  if (!refused) return newsletter || 'all email';
  if ('only' in refused) return refused.only.join(', ');
  return refused.all_but.length > 0 ? `all but ${refused.all_but.join(', ')}` : 'all newsletters';
}

/** Where a choice was made. */
export function placeOf({ origin, via }: ChoiceBody): string {
  const place = origin?.key ?? (via === 'undone_merge' ? 'another contact' : 'an erased address');
  if (via === 'undone_merge') return `${place}, while merged`;
  return via === 'predecessor' ? `${place}, of a deleted account` : place;
}
