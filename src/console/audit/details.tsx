/** The target and the result of an audit entry: names and values in words, at any depth. */
import type { ComponentChildren, VNode } from 'preact';
import { asUid, asUuid } from '../../contacts/facts/lookup-key';
import { hashIn } from '../../operations/erased-name';
import { harmless, number } from '../../operations/render';
import { ContactLink, Facts, MergeLink, Table, Time } from '../frame/page';
import { nameText, resultText } from './words';

/** A text that may have been the name of a person who was erased since: then only a hash of it is left. */
export function personText(text: string): string {
  const hash = hashIn(text);
  return hash === undefined ? harmless(text) : `erased (${hash.slice(0, 8)}…)`;
}

export function Details({ details }: { details: Readonly<Record<string, unknown>> }): VNode {
  const entries = Object.entries(details);
  if (entries.length === 0) return <p>Nothing else is recorded.</p>;
  return <Facts rows={entries.map(([name, value]) => [nameText(name), inWords(name, value)])} />;
}

/** What is repeated in a long list stays readable. */
const SHOWN = 500;

function inWords(name: string, value: unknown): ComponentChildren {
  if (value === null || value === undefined) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return number(value);
  if (typeof value === 'string') return textOf(name, value);
  if (Array.isArray(value)) return listOf(name, value);
  return <Details details={value as Record<string, unknown>} />;
}

const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

function textOf(name: string, text: string): ComponentChildren {
  if (TIME.test(text) && !Number.isNaN(Date.parse(text))) return <Time at={text} />;
  if (name === 'merge_id' && asUuid(text) !== undefined) return <MergeLink id={text} />;
  if (name === 'contact_id' && asUuid(text) !== undefined) return <ContactLink id={text} />;
  if (name === 'account_id' && asUid(text) === text) {
    return (
      <a href={`/merges?account=${text}`}>
        <code>{text}</code>
      </a>
    );
  }
  return name === 'result' ? harmless(resultText(text)) : personText(text) || 'empty';
}

function listOf(name: string, values: readonly unknown[]): ComponentChildren {
  if (values.length === 0) return 'none';
  const shown = values.slice(0, SHOWN);
  const more = values.length > SHOWN ? <p>{`and ${number(values.length - SHOWN)} more`}</p> : null;
  const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  if (shown.every(isRecord)) {
    const names = [...new Set(shown.flatMap((record) => Object.keys(record)))];
    return (
      <>
        <Table
          label={nameText(name)}
          head={names.map(nameText)}
          rows={shown.map((record) => names.map((it) => inWords(it, record[it])))}
          empty=""
        />
        {more}
      </>
    );
  }
  return (
    <>
      <ul>
        {shown.map((value, i) => (
          <li key={i}>{inWords(name, value)}</li>
        ))}
      </ul>
      {more}
    </>
  );
}
