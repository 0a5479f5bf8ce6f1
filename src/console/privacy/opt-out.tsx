/** The form that opts a reader out, with what it would change. */
import type { VNode } from 'preact';
import { knownTime } from '../../messages/outgoing/contact-body';
import type { Reader } from '../../postgres/look-ups/find-contact';
import { ContactLink, Form, Problem, ReasonField, Time } from '../frame/page';

export function OptOutPage({ contact: { id, view } }: Reader): VNode {
  if (view.addresses.length === 0) {
    return (
      <>
        <Problem>This reader has no address, so nothing can be sent to it, and there is nothing to opt out.</Problem>
        <p>
          Back to the reader: <ContactLink id={id} />
        </p>
      </>
    );
  }
  const ends = [...view.newsletters].flatMap(([name, { state }]) => (state === 'subscribed' ? name : []));
  return (
    <>
      {view.optOut && (
        <p class="notice">
          This reader is opted out since <Time at={knownTime(view.optOut.at)} />. If staff did it, nothing is left to
          do. If the reader did, doing it here as well makes sure that a proof of consent from before now, which arrives
          late, does not lift it.
        </p>
      )}
      <p>
        Reader <ContactLink id={id} /> gets no mail at all any more, at any address.{' '}
        {ends.length > 0
          ? `It ends ${ends.length === 1 ? 'the newsletter' : `${ends.length} newsletters`}: ${ends.join(', ')}.`
          : 'No newsletter is subscribed to now.'}{' '}
        It follows the person through merges. Only the reader can lift it, by a new proof of consent: staff cannot.
      </p>
      <Form action={`/contacts/${id}/opt-out`}>
        <fieldset>
          <legend>Address that the person asked from</legend>
          {view.emails.map(({ address, primary }, i) => (
            <label key={address}>
              <input type="radio" name="address" value={address} checked={i === 0} required />
              {primary ? `${address} (primary)` : address}
            </label>
          ))}
        </fieldset>
        <ReasonField hint="Recorded in the audit with your name, and with the choice, which the person may see." />
        <button type="submit">Opt this reader out of all email</button>
      </Form>
    </>
  );
}
