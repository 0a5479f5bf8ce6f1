import type { VNode } from 'preact';
import { harmless } from '../../operations/render';
import type { StoredAuditEntry } from '../../postgres/tables/audit';
import { Table, Time } from '../frame/page';
import { personText } from './details';
import { commandText } from './words';

/** Entries of the audit, each with a link to all of it. */
export const AuditTable = ({ entries, empty }: { entries: readonly StoredAuditEntry[]; empty: string }): VNode => (
  <Table
    label="Audit entries"
    head={['When', 'Who', 'What', 'Why', 'State']}
    rows={entries.map(({ seq, at, operator, command, reason, result }) => [
      <Time key="at" at={at} />,
      personText(operator),
      <a key="what" href={`/audit/${seq}`}>
        {harmless(commandText(command))}
      </a>,
      reason === null ? 'no reason given' : personText(reason),
      stateText(result),
    ])}
    empty={empty}
  />
);

export const stateText = (result: StoredAuditEntry['result']): string => (result === null ? 'Not finished' : 'Done');
