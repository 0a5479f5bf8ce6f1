import type { VNode } from 'preact';
import { harmless } from '../../operations/render';
import type { StoredAuditEntry } from '../../postgres/tables/audit';
import { Facts, Time } from '../frame/page';
import { Details, personText } from './details';
import { commandText } from './words';

export const AuditEntryPage = ({ entry }: { entry: StoredAuditEntry }): VNode => {
  const { at, operator, command, target, reason, result } = entry;
  return (
    <>
      <Facts
        rows={[
          ['What', harmless(commandText(command))],
          ['When', <Time key="at" at={at} />],
          ['Who', personText(operator)],
          ['Why', reason === null ? 'no reason given' : personText(reason)],
        ]}
      />
      <h2>What was changed</h2>
      <Details details={target} />
      <h2>What came of it</h2>
      {result === null ? (
        <p>
          It is not finished: either it is still running, or it was interrupted. What it had done until then is done;
          doing it again continues it.
        </p>
      ) : (
        <Details details={result} />
      )}
      <p>
        <a href="/audit">All entries</a>
      </p>
    </>
  );
};
