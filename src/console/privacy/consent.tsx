/** Everything that a reader chose, as proof: a page to print, with the same content as the file. */
import type { VNode } from 'preact';
import type { ConsentBody } from '../../operations/consent/body';
import { count } from '../../operations/render';
import { ContactLink, Facts, Table, Time } from '../frame/page';
import { Ledger, LedgerRules } from './ledger';

/** More are for a program: the file has all. */
const MOST = 2_000;

export function ConsentPage({ body, now = new Date() }: { body: ConsentBody; now?: Date }): VNode {
  const { contact_id: id, addresses, account_id, opted_out, newsletters, choices } = body;
  return (
    <>
      <p class="actions">
        <a href={`/contacts/${id}/consent.json`} download>
          Download as JSON
        </a>
        <span>To print it, use the print command of the browser.</span>
      </p>
      <Facts
        rows={[
          ['Made on', <Time key="now" at={now} />],
          ['Contact', <ContactLink key="id" id={id} />],
          ['Addresses', addresses.join(', ') || 'none'],
          ['Account', account_id ?? 'none'],
          ['Opted out of all email', opted_out ? 'yes' : 'no'],
        ]}
      />
      <h2>Newsletters now</h2>
      <Table
        label="Newsletters"
        head={['Newsletter', 'State', 'Since']}
        rows={Object.entries(newsletters)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, { state, since }]) => [name, state, <Time key="since" at={since} />])}
        empty="No newsletter was ever chosen or left."
      />
      <h2>All choices</h2>
      <p>
        {count(choices.length, 'choice')}, newest first. What earlier owners of an address chose is without details.
      </p>
      <Ledger choices={choices.slice(-MOST).reverse()} empty="No choice is known." />
      {choices.length > MOST && <p>The older ones are in the file: download it as JSON.</p>}
      <LedgerRules />
    </>
  );
}
