import type { VNode } from 'preact';
import { count, harmless } from '../../operations/render';
import { Table, Time } from '../frame/page';
import type { Finding } from './check';

interface HealthProps {
  database: readonly Finding[];
  broker: readonly Finding[];
  at: number;
}

export function HealthPage({ database, broker, at }: HealthProps): VNode {
  const all = [...database, ...broker];
  const numberOf = (state: Finding['state']): number => all.filter((finding) => finding.state === state).length;
  const [todo, unchecked] = [numberOf('to do'), numberOf('not checked')];
  return (
    <>
      <p role="status" class={todo > 0 ? 'problem' : 'notice'}>
        {todo > 0 ? `${count(todo, 'thing')} to do.` : 'Nothing needs to be done.'}
        {unchecked > 0 && ` Not checked: ${count(unchecked, 'part')}.`}
        {todo > 0 && ' If you cannot do it, send this page to an administrator of OneContact.'}
      </p>
      <p>
        As of <Time at={at} />. <a href="/health">Check again</a>
      </p>
      {todo > 0 && (
        <ul>
          {all
            .filter(({ state }) => state === 'to do')
            .map((finding) => (
              <li key={finding.part}>
                <strong>{finding.part}: </strong>
                <WhatToDo finding={finding} />
              </li>
            ))}
        </ul>
      )}
      <h2>Database</h2>
      <Findings label="Database" findings={database} />
      <h2>Message broker</h2>
      <Findings label="Message broker" findings={broker} />
    </>
  );
}

const WhatToDo = ({ finding: { todo, more } }: { finding: Finding }): VNode => (
  <>
    {todo.length === 0 ? '' : `${harmless(todo.join(' '))} `}
    {more && todo.length > 0 && <a href={more.path}>{more.name}</a>}
  </>
);

const Findings = ({ label, findings }: { label: string; findings: readonly Finding[] }): VNode => (
  <Table
    label={label}
    head={['Part', 'State', 'What it means', 'What to do']}
    rows={findings.map((finding) => [
      finding.part,
      finding.state === 'ok' ? finding.state : <strong>{finding.state}</strong>,
      harmless(finding.text),
      <WhatToDo finding={finding} />,
    ])}
    empty=""
    rowHeads
  />
);
