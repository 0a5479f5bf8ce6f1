/** One dead letter: why it is here, what to do, and what it says. */
import type { VNode } from 'preact';
import { DEAD_LETTER_REASONS } from '../../messages/incoming/decoded';
import { cut } from '../../messages/incoming/fields';
import { REASONS } from '../../operations/dead-letters/reasons';
import type { letterHead } from '../../operations/dead-letters/text';
import { count, harmless, number } from '../../operations/render';
import { Facts, Form, Hidden, Table, Time } from '../frame/page';
import type { BodyLines } from './body-lines';
import { nameOf, pathTo } from './list-page';

export interface Letter {
  shown: ReturnType<typeof letterHead>;
  body: BodyLines;
  /** What this version does not understand; null if that cannot be told. */
  problemsNow: readonly string[] | null;
  /** The address, token or account that it names. */
  reader: string | null;
  /** Equal messages in the queue: they have the same id, and are replayed or dropped together. */
  equals: number;
  isReplayable: boolean;
}

/** The reasons that depend on how the message is read. */
const NOT_UNDERSTOOD: ReadonlySet<string> = new Set(DEAD_LETTER_REASONS.filter((reason) => reason !== 'unknown_token'));

/** Headers and errors may be long. */
const MAX_VALUE = 2_000;

export function LetterPage({ letter }: { letter: Letter }): VNode {
  const { shown, equals, isReplayable, reader } = letter;
  const { id, reason, error, origin_queue, total_attempts, replays, first_seen, last_seen, earlier_deaths } = shown;
  const text = reason === null ? undefined : REASONS.get(reason);
  return (
    <>
      <p>
        <a href="/dead-letters">All dead letters</a>
      </p>
      <h2>Why it is here</h2>
      <p>{text?.meaning ?? 'Its reason is none that this version knows.'}</p>
      <p>
        <strong>What to do: </strong>
        {text?.remedy ?? 'Look at the error and the message. If no one needs it, drop it.'}
      </p>
      <Facts
        rows={[
          ['Id', <code>{id}</code>],
          ['Reason', nameOf(reason)],
          ['Error', error === null ? null : long(error)],
          ['From the queue', nameOf(origin_queue)],
          ['Attempts', replays > 0 ? `${total_attempts}, over ${replays + 1} rounds` : String(total_attempts)],
          ['Replayed', replays > 0 ? count(replays, 'time') : 'never'],
          ['First seen', <Time at={first_seen} />],
          ['Last seen', <Time at={last_seen} />],
          ['Size', count(shown.bytes, 'byte')],
          ['Equal messages', equals > 1 ? `${number(equals)}: they are replayed or dropped together` : null],
        ]}
      />
      <div class="actions">
        {isReplayable ? (
          <a href={pathTo('/dead-letters/confirm', { act: 'replay', id })}>Replay it…</a>
        ) : (
          'It cannot be replayed, because it is not known which of our queues it came from.'
        )}
        <a href={pathTo('/dead-letters/confirm', { act: 'drop', id })}>Drop it…</a>
        {reader !== null && (
          <Form action="/find" class="inline">
            <Hidden values={{ key: reader }} />
            <button type="submit" class="outline">
              Find the reader that it names
            </button>
          </Form>
        )}
      </div>
      <h2>The message</h2>
      <p>It may contain personal data (addresses, names, tokens): take care where you paste it.</p>
      <ReadAgain letter={letter} />
      <Body body={letter.body} bytes={shown.bytes} />
      {earlier_deaths.length > 0 && <h2>Before it was replayed</h2>}
      {earlier_deaths.length > 0 && (
        <Table
          label="Earlier times that it came here"
          head={['When', 'Reason', 'Attempts', 'Error']}
          rows={earlier_deaths.map((death) => [
            long(death.last_seen ?? 'unknown'),
            nameOf(death.reason),
            String(death.attempts),
            nameOf(death.error),
          ])}
          empty=""
        />
      )}
      <h2>Headers</h2>
      <Table
        label="Headers and properties of the message"
        head={['Name', 'Value']}
        rows={[...Object.entries(shown.properties), ...Object.entries(shown.headers as object)].map(([name, value]) => [
          <code>{long(name)}</code>,
          <code>{long(typeof value === 'string' ? value : JSON.stringify(value))}</code>,
        ])}
        empty="The message has none."
        rowHeads
      />
    </>
  );
}

const long = (text: string): string =>
  text.length > MAX_VALUE ? `${harmless(cut(text, MAX_VALUE))}…` : harmless(text);

/** Whether another version of OneContact would refuse it, too. */
function ReadAgain({ letter: { shown, problemsNow } }: { letter: Letter }): VNode | null {
  const { reason, error } = shown;
  if (problemsNow === null) return null;
  if (problemsNow.length === 0) {
    const wasUnderstood = reason === null || !NOT_UNDERSTOOD.has(reason);
    if (wasUnderstood) return null;
    return <p class="notice">This version understands the message as a whole now: a replay may help.</p>;
  }
  const others = problemsNow.filter((problem) => !(error ?? '').includes(problem));
  if (others.length === 0) return null;
  return (
    <>
      <p>If it were replayed now, it would not be understood for these reasons:</p>
      <ul>
        {others.map((problem) => (
          <li key={problem}>{long(problem)}</li>
        ))}
      </ul>
    </>
  );
}

function Body({ body: { lines, isJson, isUtf8, isCut }, bytes }: { body: BodyLines; bytes: number }): VNode {
  const hasMarks = lines.some(({ problems }) => problems.length > 0);
  return (
    <>
      {bytes === 0 && <p>It is empty.</p>}
      {!isUtf8 && <p>It is not text in UTF-8: what cannot be read is shown as �.</p>}
      {isUtf8 && !isJson && bytes > 0 && <p>It is not a JSON object or list: this is the text as it came.</p>}
      {isJson && <p>{`Laid out for reading${hasMarks ? '; lines with a problem are marked' : ''}.`}</p>}
      {isCut && <p>{`It is cut, because it is large (${count(bytes, 'byte')}): … stands for what is left out.`}</p>}
      <pre>
        {lines.map(({ text, problems }, i) =>
          problems.length === 0 ? (
            `${text}\n`
          ) : (
            <span key={i}>
              <mark>{text}</mark> <strong>{`← ${problems.map(long).join('; ')}`}</strong>
              {'\n'}
            </span>
          ),
        )}
      </pre>
    </>
  );
}
