/** Whether a reader gets mail, which newsletters, and why. */
import type { ComponentChildren, VNode } from 'preact';
import type { ContactSnapshot } from '../../contacts/profile/contact-snapshot';
import type { ContactView, Subscription } from '../../contacts/profile/contact-view';
import { knownTime } from '../../messages/outgoing/contact-body';
import { STAFF_SOURCE } from '../../operations/audited';
import { type ChoiceBody, fieldsBody } from '../../operations/consent/body';
import { Table, Time } from '../frame/page';
import { detailsText } from '../privacy/ledger';

interface MailProps {
  contact: ContactSnapshot;
  choices: readonly ChoiceBody[];
}

/** Whether the reader can be mailed, or each reason why not, with what would change it. */
export function Mailable({ contact: { view, primaryAsTyped }, choices }: MailProps): VNode {
  const reasons = whyNot(view, choices);
  if (reasons.length === 0) {
    return (
      <p>
        <strong>Yes.</strong> The newsletters that are subscribed to are sent to <code>{primaryAsTyped}</code>, and to
        no other address of this reader.
      </p>
    );
  }
  return (
    <>
      <p>
        <strong>No.</strong> This reader cannot be mailed, because:
      </p>
      <ul>
        {reasons.map((reason, i) => (
          <li key={i}>{reason}</li>
        ))}
      </ul>
    </>
  );
}

function whyNot({ primary, optOut, doubleOptIn }: ContactView, choices: readonly ChoiceBody[]): ComponentChildren[] {
  return [
    primary === null && (
      <>
        The account has no address. Another reader has the address that it claimed last: the account service has to send
        a new one.
      </>
    ),
    optOut && (
      <>
        {whoOptedOut(choices)} <Time at={knownTime(optOut.at)} />
        {optOut.reason !== null && `, with the reason “${optOut.reason}”`}. Only a newer proof of the reader's consent
        lifts it: a click on the link in a confirmation mail, or a choice while signed in. Staff cannot.
      </>
    ),
    !doubleOptIn && (
      <>
        No address is confirmed: the reader neither has an account nor clicked on the link in the confirmation mail. The
        reader has to do so, or to sign up again for a new link.
      </>
    ),
  ].filter(Boolean);
}

function whoOptedOut(choices: readonly ChoiceBody[]): string {
  const [standing] = choices.filter(({ act, why }) => act === 'opt_out' && why === 'stands');
  if (standing?.via === 'undone_merge')
    return 'An opt-out that was made while this reader was merged with another one counts for both: it was made on';
  if (standing?.source === STAFF_SOURCE) return 'Staff opted the reader out of all email on';
  return 'The reader opted out of all email on';
}

export const Newsletters = ({ contact: { view } }: Pick<MailProps, 'contact'>): VNode => (
  <Table
    label="Newsletters"
    head={['Newsletter', 'State', 'Since', 'Why', 'Source and details']}
    rows={[...view.newsletters].map(([name, newsletter]) => [
      <strong key="name">{name}</strong>,
      newsletter.state,
      <Time key="since" at={knownTime(newsletter.since)} />,
      <Why key="why" newsletter={newsletter} />,
      detailsText({ ...newsletter.details, fields: fieldsBody(newsletter.details.fields) }),
    ])}
    empty="This reader has chosen no newsletter, and left none."
  />
);

function Why({ newsletter: { state, by, chosenAt } }: { newsletter: Subscription }): VNode {
  const chosen = <Time at={knownTime(chosenAt)} />;
  switch (by) {
    case 'choice':
      return state === 'subscribed' ? <>The reader signed up.</> : <>The reader left it.</>;
    case 'confirmation':
      return <>The reader signed up on {chosen}, and confirmed it later.</>;
    case 'opt_out':
      return <>The reader signed up on {chosen}, and the opt-out of all email ended it.</>;
    case 'unconfirmed':
      return (
        <>The reader signed up on {chosen}, after opting out of all email. It waits until the reader confirms it.</>
      );
  }
}
