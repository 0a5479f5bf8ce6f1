/** The dead letters by reason, and a page of them. */
import type { VNode } from 'preact';
import { cut } from '../../messages/incoming/fields';
import { ORIGIN_QUEUES } from '../../operations/dead-letters/filter';
import type { Kind, Overview, Summary } from '../../operations/dead-letters/overview';
import { REASONS } from '../../operations/dead-letters/reasons';
import { count, harmless, number } from '../../operations/render';
import { Facts, Form, Table, Time } from '../frame/page';

/** Which dead letters a page shows: never with anything that an outsider wrote. */
export interface Choice {
  reason?: string | undefined;
  origin?: string | undefined;
}

/** The address of a page about chosen dead letters. */
export function pathTo(page: string, values: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return given.length === 0 ? page : `${page}?${new URLSearchParams(given.map(([k, v]) => [k, String(v)]))}`;
}

const PATH = '/dead-letters';
const MAX_ERROR = 120;

export const letters = (n: number): string => count(n, 'dead letter');

interface ListProps {
  overview: Overview;
  choice: Choice;
  /** Whether this is not the first page. */
  isLater: boolean;
}

export function ListPage({ overview, choice, isLater }: ListProps): VNode {
  const { total, kinds, others, page, matched, hasMore } = overview;
  if (total === 0)
    return <p>There are no dead letters: every message could be handled, or has been replayed or dropped.</p>;
  const isNarrow = choice.reason !== undefined || choice.origin !== undefined;
  return (
    <>
      <p>
        A dead letter is a message that could not be handled. It waits here, with the reason, until an operator replays
        it (sends it to be handled again) or drops it (deletes it).
      </p>
      <Stopped overview={overview} />
      <h2>By reason</h2>
      <Table
        label="Dead letters by reason"
        head={['Reason', 'What it means', 'From the queue', 'Messages', 'Oldest', 'Newest', 'What you can do']}
        rows={kinds.map((kind) => kindRow(kind))}
        empty="None."
        rowHeads
      />
      {others > 0 && <p>{letters(others)} have still other reasons.</p>}
      <h2>{isNarrow ? 'Those chosen' : 'Messages'}</h2>
      {isNarrow && (
        <>
          <Facts
            rows={[
              ['Reason', choice.reason],
              ['From the queue', choice.origin],
            ]}
          />
          <p>
            <a href={PATH}>Show all reasons</a>
          </p>
        </>
      )}
      <p>{listed(page.length, matched, isLater)}</p>
      <Letters page={page} />
      {isLater && (
        <p>
          <a href={pathTo(PATH, { ...choice })}>First page (oldest)</a>
        </p>
      )}
      {hasMore && (
        <p>
          <a href={pathTo(PATH, { ...choice, after: page.at(-1)?.id })}>Next page (newer)</a>
        </p>
      )}
      <h2>Of one person</h2>
      <Form action={`${PATH}/search`}>
        <label>
          Email address
          <input name="address" required autocomplete="off" aria-describedby="search-hint" />
          <small id="search-hint">Found anywhere in a message, in every spelling.</small>
        </label>
        <button type="submit">Find dead letters that name it</button>
      </Form>
    </>
  );
}

/** What was found of one person. */
export function FoundPage({ overview }: { overview: Overview }): VNode {
  const { page, matched, total } = overview;
  return (
    <>
      <p>
        <a href={PATH}>All dead letters</a>
      </p>
      <Stopped overview={overview} />
      <p>
        {`${number(matched)} of ${letters(total)} ${matched === 1 ? 'names' : 'name'} the address.`}
        {page.length < matched && ` These are the oldest ${number(page.length)}.`}
      </p>
      <Letters page={page} />
    </>
  );
}

const Letters = ({ page }: { page: readonly Summary[] }): VNode => (
  <Table
    label="Dead letters"
    head={['Message', 'Last seen', 'Reason', 'From the queue', 'Error', 'Attempts']}
    rows={page.map(letterRow)}
    empty="None here: they may have been replayed or dropped."
    rowHeads
  />
);

function listed(shown: number, matched: number, isLater: boolean): string {
  if (isLater) return `${number(shown)} of ${letters(matched)}, oldest first.`;
  return shown < matched ? `The oldest ${number(shown)} of ${letters(matched)}.` : `${letters(matched)}, oldest first.`;
}

/** The counts cover the dead letters that were looked at. */
function Stopped({
  overview: { looked, total, interrupted },
}: {
  overview: Pick<Overview, 'looked' | 'total' | 'interrupted'>;
}) {
  if (looked >= total) return null;
  const which = interrupted
    ? `Looking took too long, and was ended: this page counts ${number(looked)} of ${number(total)}, which need not be the oldest.`
    : `There are too many to look at all of them: this page counts the oldest ${number(looked)} of ${number(total)}.`;
  return (
    <p role="note" class="problem">
      {which} Replay or drop some, then look again.
    </p>
  );
}

const isKnown = (name: string | null, known: { has(name: string): boolean }): name is string =>
  name !== null && known.has(name);

const QUEUES = new Set(ORIGIN_QUEUES);

function kindRow({ reason, origin, count: messages, oldest, newest }: Kind) {
  const text = reason === null ? undefined : REASONS.get(reason);
  const choice = { reason: reason ?? '', origin: isKnown(origin, QUEUES) ? origin : undefined };
  const can = text ? (
    <div class="actions">
      <a href={pathTo(PATH, choice)}>Show</a>
      {choice.origin !== undefined && <a href={pathTo(`${PATH}/confirm`, { act: 'replay', ...choice })}>Replay all…</a>}
      <a href={pathTo(`${PATH}/confirm`, { act: 'drop', ...choice })}>Drop all…</a>
    </div>
  ) : (
    'Open one of them below'
  );
  const what = text?.meaning ?? 'Not a reason of this version.';
  return [nameOf(reason), what, nameOf(origin), number(messages), <Time at={oldest} />, <Time at={newest} />, can];
}

function letterRow({ id, last_seen, reason, origin_queue, error, total_attempts, replays }: Summary) {
  return [
    <a href={`${PATH}/${id}`}>
      <code>{id}</code>
    </a>,
    <Time at={last_seen} />,
    nameOf(reason),
    nameOf(origin_queue),
    error === null ? '' : shortened(error),
    replays > 0 ? `${total_attempts}, replayed ${count(replays, 'time')}` : String(total_attempts),
  ];
}

const shortened = (text: string): string =>
  text.length > MAX_ERROR ? `${harmless(cut(text, MAX_ERROR))}…` : harmless(text);

/** A header may hold anything, or be missing. */
export const nameOf = (text: string | null): string => (text === null ? 'unknown' : shortened(text));
