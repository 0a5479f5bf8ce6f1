/**
 * The canonical form of a contact: what the fold says of it, without generated ids, tokens and times. Two databases
 * that received the same events export the same lines, whatever the order (docs/model.md).
 */
import type { Facts } from '../facts/facts';
import { peopleOf } from '../identity/ownership';
import { type ContactView, contactView } from './contact-view';

/** One NDJSON line, without its line break; keys in the order of the contract. */
export function canonicalLine(view: ContactView): string {
  const head = JSON.stringify({ addresses: view.addresses, account: view.account, ...viewFields(view) });
  // By hand, because an object would put names that look like numbers first, whatever the order they came in.
  const states = [...view.newsletters].map(([name, { state }]) => `${JSON.stringify(name)}:${JSON.stringify(state)}`);
  return `${head.slice(0, -1)},"newsletters":{${states.join(',')}}}`;
}

/** The fold's values under the names that readers see, but for the newsletters. */
export function viewFields(view: ContactView) {
  return {
    primary: view.primary,
    first_name: view.profile.firstName,
    last_name: view.profile.lastName,
    country: view.profile.country,
    lang: view.profile.lang,
    format: view.profile.format,
    opted_out: view.optedOut,
    double_opt_in: view.doubleOptIn,
  };
}

/** Sorts by (first address, account); no address and no account sort first. */
export function byFirstAddress(a: ContactView, b: ContactView): number {
  return compare(a.addresses[0] ?? '', b.addresses[0] ?? '') || compare(a.account ?? '', b.account ?? '');
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The whole canonical export, from the facts alone: what the stored contacts must agree with. */
export function canonicalExport(facts: Facts): string[] {
  return peopleOf(facts)
    .map((person) => contactView(facts, person))
    .sort(byFirstAddress)
    .map(canonicalLine);
}
