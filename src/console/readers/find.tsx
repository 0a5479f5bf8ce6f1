/** The form that finds a reader, and what it says of a key that opens no live contact. */
import type { VNode } from 'preact';
import type { LookupKey } from '../../contacts/facts/lookup-key';
import { iso } from '../../foundation/times';
import type { Ended } from '../../operations/show/run';
import { ContactLink, Form, MergeLink, Problem, Time } from '../frame/page';

export const FindForm = ({ label = 'Email address, token, account or contact id' }: { label?: string }): VNode => (
  <Form action="/find">
    <label>
      {label}
      <input name="key" required maxLength={600} autocomplete="off" spellcheck={false} aria-describedby="find-hint" />
      <small id="find-hint">
        The token is in the links of every mail: a whole link works, too, and so do old tokens and ids.
      </small>
    </label>
    <button type="submit">Find the reader</button>
  </Form>
);

/** What was looked for, and what to try. */
export function Unknown({ keys, knowsErased }: { keys: readonly LookupKey[]; knowsErased: boolean }): VNode {
  const { problem, tries } = adviceFor(keys);
  return (
    <>
      <Problem>{problem}</Problem>
      <h2>What to try</h2>
      <ul>
        {tries.map((text) => (
          <li key={text}>{text}</li>
        ))}
        {!knowsErased && (
          <li>
            Erased readers cannot be told from unknown ones here: the console needs ERASURE_KEY for that. Ask the team
            that runs OneContact.
          </li>
        )}
      </ul>
      <h2>Look again</h2>
      <FindForm />
    </>
  );
}

function adviceFor(keys: readonly LookupKey[]): { problem: string; tries: string[] } {
  const [first] = keys;
  if (!first) {
    return {
      problem: 'This is not an email address, a token, an account or a contact id, so nothing was looked for.',
      tries: [
        'An email address has one @, such as ada@example.org.',
        'A token and a contact id have 36 characters, such as 0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11.',
        'An account has 32 digits and letters from a to f.',
      ],
    };
  }
  if (first.by === 'email') {
    return {
      problem: `No reader has the email address ${first.address}.`,
      tries: [
        'Check the spelling: a plus sign and dots before the @ count, capital letters do not.',
        'Ask for other addresses of the person, and for the address that a mail was sent to.',
        'Ask for the link at the end of a mail: it has the token of its reader.',
        'If nothing of this finds a reader, the mail does not come from OneContact.',
      ],
    };
  }
  const [last] = keys.slice(-1);
  const [kinds, id] = last?.by === 'id' ? ['token, account or contact', last.id] : ['account', uidOf(first)];
  return {
    problem: `No ${kinds} has the id ${id}. It was never stored, or its reader was erased.`,
    tries: ['Copy the whole id once more.', 'Look for an email address of the person instead.'],
  };
}

const uidOf = (key: LookupKey): string => (key.by === 'account' ? key.uid : '');

/** Of a key of a contact that ended, there is a page of the contact. */
export function EndedKey({ ended }: { ended: Exclude<Ended, { what: 'contact' }> }): VNode {
  switch (ended.what) {
    case 'token': {
      const { mergeId, retiredAt, contactId, contactState } = ended.token;
      return (
        <>
          <p>
            {mergeId === null || retiredAt === null ? (
              'This token was retired when its contact was closed'
            ) : (
              <>
                This token was retired on <Time at={retiredAt} /> by merge <MergeLink id={mergeId} />
              </>
            )}
            {contactState === 'live' ? '; its reader is now ' : '; its contact was '}
            <ContactLink id={contactId} />.
          </p>
          <p>Links with this token no longer work. Newer mails have the token that the reader's page shows.</p>
        </>
      );
    }
    case 'account': {
      const { uid, deletedAt, contactIds } = ended.account;
      return (
        <>
          <p>
            The account <code>{uid}</code> was deleted on <Time at={deletedAt} />. An account never comes back: a person
            who returns has a new one.
          </p>
          {contactIds.length === 0 ? (
            <p>No reader has an address of it now.</p>
          ) : (
            <>
              <p>Addresses that it once owned belong to these readers now:</p>
              <ul>
                {contactIds.map((id) => (
                  <li key={id}>
                    <ContactLink id={id} />
                  </li>
                ))}
              </ul>
            </>
          )}
          <p>
            <a href={`/merges?account=${uid}`}>Merges that this account took part in</a>
          </p>
        </>
      );
    }
    case 'erased':
      return (
        <>
          <p>
            The reader with this {ended.kind === 'address' ? 'email address' : 'account'} was erased. Nothing is known
            of them any more, and events from before <Time at={iso(ended.until)} /> that name them are dropped.
          </p>
          <p>
            A new sign-up by the same person makes a new reader. If the person still gets mail, it comes from a system
            that has its own copy: each has to erase it there. <a href="/audit?command=erase">The audit</a> has who
            erased when and why.
          </p>
        </>
      );
  }
}
