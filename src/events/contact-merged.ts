import type { MergeNotice } from '../contacts/notice';
import type { ContactMerged } from './out';

const iso = (time: number): string => new Date(time).toISOString();

/** The body of `contact.merged`. @param mergedAt milliseconds since 1970 */
export function contactMerged(
  { plan, survivor, retired, tokenRetired, primary, added }: MergeNotice,
  mergedAt: number,
): ContactMerged {
  const { view } = survivor;
  const newsletters = [...view.newsletters].map(([name, { state, since }]) => [name, { state, since: iso(since) }]);
  return {
    merge_id: plan.id,
    merged_at: iso(mergedAt),
    reason: plan.reason,
    trigger: {
      source: plan.trigger.source,
      event: plan.trigger.event,
      event_id: plan.trigger.id,
      event_time: iso(plan.at),
    },
    survivor: {
      contact_id: survivor.id,
      primary_email: primary,
      basket_token: survivor.token,
      lang: view.profile.lang,
      format: view.profile.format,
      account_id: view.account,
      opted_out: view.optedOut,
      version: survivor.version,
    },
    retired: { contact_id: retired.id, basket_token: retired.token, addresses: plan.addresses },
    former_addresses: view.addresses.filter((address) => address !== view.primary),
    newsletters: Object.fromEntries(newsletters),
    newsletters_added: added,
    token: {
      policy: plan.token.policy,
      reason: plan.token.reason,
      kept: survivor.token,
      retired: tokenRetired,
    },
  };
}
