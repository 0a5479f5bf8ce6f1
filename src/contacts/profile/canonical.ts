/**
 * The canonical form of a contact: its view without generated ids, tokens and times. Two databases that received the
 * same events, in any order, export the same lines.
 */
import type { Facts } from '../facts/facts';
import { compareText } from '../facts/order';
import { peopleOf } from '../identity/ownership';
import { type ContactView, contactView } from './contact-view';

/** One NDJSON line, without its line break; keys in the order of the contract. */
export function canonicalLine(view: ContactView): string {
  const { addresses, account, primary } = view;
  const head = JSON.stringify({ addresses, account, primary, ...viewFields(view) });
  // Not by JSON.stringify: an object would put names that look like numbers first.
  const states = [...view.newsletters].map(([name, { state }]) => `${JSON.stringify(name)}:${JSON.stringify(state)}`);
  return `${head.slice(0, -1)},"newsletters":{${states.join(',')}}}`;
}

/** All that readers see of a contact, but its id, token and version: equal for two views that look the same to them. */
export function shownText(view: ContactView): string {
  const { addresses, emails, account, primary, accountProfile, optOut } = view;
  const newsletters = [...view.newsletters].map(([name, { state, since, by, details }]) => [
    name,
    state,
    since,
    by === 'unconfirmed',
    details,
  ]);
  return JSON.stringify([addresses, emails, account, primary, accountProfile, optOut, viewFields(view), newsletters]);
}

/** The view's values under their public names, without addresses, account and newsletters. */
export function viewFields(view: ContactView) {
  return {
    first_name: view.profile.firstName,
    last_name: view.profile.lastName,
    country: view.profile.country,
    lang: view.profile.lang,
    format: view.profile.format,
    opted_out: view.optedOut,
    double_opt_in: view.doubleOptIn,
  };
}

/** Sorts by (first address, account); contacts without an address, or without an account, come first. */
const byFirstAddress = (a: ContactView, b: ContactView): number =>
  compareText(a.addresses[0] ?? '', b.addresses[0] ?? '') || compareText(a.account ?? '', b.account ?? '');

/** The whole canonical export, computed from the facts alone; the stored contacts must agree with it. */
export function canonicalExport(facts: Facts): string[] {
  return peopleOf(facts)
    .map((person) => contactView(facts, person))
    .sort(byFirstAddress)
    .map(canonicalLine);
}
