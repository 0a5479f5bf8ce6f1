/** The parts of a contact view that `contact.changed` names. */
import { type Choice, PROFILE_FIELDS } from '../facts/facts';
import { newsletterOf } from '../facts/later-reason';
import type { ContactView } from './contact-view';

export const CHANGED_PARTS = ['newsletters', 'opt_out', 'address', 'profile', 'account'] as const;
export type ChangedPart = (typeof CHANGED_PARTS)[number];

/** The parts that may differ when a choice is added: an opt-out ends subscriptions, and a proof can lift it. */
export const partsOfChoice = (choice: Pick<Choice, 'act' | 'newsletter' | 'proven'>): readonly ChangedPart[] =>
  newsletterOf(choice) === '' || choice.proven ? ['newsletters', 'opt_out'] : ['newsletters'];

/** The parts in which two views of a contact differ. */
export function partsBetween(before: ContactView, after: ContactView): ChangedPart[] {
  return CHANGED_PARTS.filter((part) => JSON.stringify(PART[part](before)) !== JSON.stringify(PART[part](after)));
}

const PART: Record<ChangedPart, (view: ContactView) => unknown> = {
  newsletters: ({ newsletters }) =>
    [...newsletters].map(([name, { state, since, by, details }]) => [
      name,
      state,
      since,
      by === 'unconfirmed',
      details,
    ]),
  // A proof also changes whether an address counts as verified.
  opt_out: ({ optOut, doubleOptIn, emails }) => [optOut, doubleOptIn, emails.map(({ verified }) => verified)],
  address: ({ emails, primary }) => [emails.map(({ address }) => address), primary],
  profile: ({ profile }) => PROFILE_FIELDS.map((field) => profile[field]),
  account: ({ account, accountProfile }) => [account, accountProfile],
};
