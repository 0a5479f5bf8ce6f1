/** The consent of a person as JSON: the answer to a person who asks. */
import type { Choice } from '../../contacts/facts/facts';
import { newsletterOf } from '../../contacts/facts/later-reason';
import { isPseudonym } from '../../contacts/facts/pseudonym';
import { consentOf } from '../../contacts/profile/consent';
import { knownTime } from '../../messages/outgoing/contact-body';
import type { Reader } from '../../postgres/look-ups/find-contact';

/** A set is about the newsletters that it refuses, so it names none. */
export const choiceBody = <C extends Pick<Choice, 'act' | 'newsletter' | 'fields'>>(choice: C) => ({
  ...choice,
  newsletter: newsletterOf(choice),
  fields: fieldsBody(choice.fields),
});

export const fieldsBody = (fields: string | null) =>
  fields === null ? null : (JSON.parse(fields) as Record<string, unknown>);

/** The keys of the person are those of a look-up; the keys of a choice are those of the model. */
export function consentBody({ contact: { id, view }, person, facts }: Reader) {
  return {
    contact_id: id,
    addresses: view.addresses,
    account_id: view.account,
    opted_out: view.optedOut,
    newsletters: Object.fromEntries(
      [...view.newsletters].map(([name, { state, since }]) => [name, { state, since: knownTime(since) }]),
    ),
    choices: consentOf(facts, person).map(({ at, origin, ...entry }) => ({
      event_time: knownTime(at),
      origin: origin && isPseudonym(origin.key) ? null : origin,
      ...choiceBody(entry),
    })),
  };
}

export type ConsentBody = ReturnType<typeof consentBody>;
export type ChoiceBody = ConsentBody['choices'][number];
