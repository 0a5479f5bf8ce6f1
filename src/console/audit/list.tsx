import type { VNode } from 'preact';
import { AUDITED_COMMANDS, type StoredAuditEntry } from '../../postgres/tables/audit';
import { Form, Hidden } from '../frame/page';
import { AuditTable } from './entries';
import { COMMANDS } from './words';

export const PAGE = 50;

export interface AuditQuery {
  /** Empty for all. */
  command: string;
  operator: string;
  before?: Pick<StoredAuditEntry, 'at' | 'seq'> | undefined;
}

interface Props {
  query: AuditQuery;
  entries: readonly StoredAuditEntry[];
  /** Whether older ones follow. */
  hasMore: boolean;
}

/** The operator can be an email address, so the filter is never part of a URL. */
export const AuditList = ({ query, entries, hasMore }: Props): VNode => (
  <>
    <p>
      Everything that staff and operators changed, here or with a command: who, when, what and why. The newest first.
    </p>
    <Form action="/audit">
      <label>
        What was done
        <select name="command">
          <option value="">Anything</option>
          {AUDITED_COMMANDS.map((command) => (
            <option key={command} value={command} selected={query.command === command}>
              {COMMANDS[command]}
            </option>
          ))}
        </select>
      </label>
      <label>
        Who did it
        <input
          name="operator"
          value={query.operator}
          maxLength={100}
          autocomplete="off"
          aria-describedby="operator-hint"
        />
        <small id="operator-hint">The whole name, as the list shows it. Empty for all operators.</small>
      </label>
      <button type="submit">Show entries</button>
    </Form>
    <AuditTable entries={entries} empty={emptyText(query)} />
    {hasMore && <Older query={query} last={entries.at(-1) as StoredAuditEntry} />}
  </>
);

function emptyText({ command, operator, before }: AuditQuery): string {
  if (before) return 'There are no older entries.';
  if (command === '' && operator === '') return 'Nothing was changed yet. Old entries are removed by a purge.';
  return 'No entry is like this. Old entries are removed by a purge; try without a filter.';
}

/** A link where nothing of the filter names a person, so that the browser can go back without asking. */
function Older({ query: { command, operator }, last }: { query: AuditQuery; last: StoredAuditEntry }): VNode {
  const before = cursorOf(last);
  if (operator === '') {
    const query = new URLSearchParams({ ...(command !== '' && { command }), before });
    return (
      <p>
        <a href={`/audit?${query}`} rel="next">
          Older entries
        </a>
      </p>
    );
  }
  return (
    <Form action="/audit">
      <Hidden values={{ command, operator, before }} />
      <button type="submit" class="outline">
        Older entries
      </button>
    </Form>
  );
}

const cursorOf = ({ at, seq }: StoredAuditEntry): string => `${at}-${seq}`;

/** Undefined for any other text: the first page. */
export function readCursor(text: string): AuditQuery['before'] {
  const [, at, seq] = /^(\d{1,15}(?:\.\d{1,6})?)-(\d{1,18})$/.exec(text) ?? [];
  return at === undefined || seq === undefined ? undefined : { at: Number(at), seq: BigInt(seq) };
}
