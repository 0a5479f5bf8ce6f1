/** What replaying or dropping would do, and the form that does it. */
import type { VNode } from 'preact';
import { REASONS } from '../../operations/dead-letters/reasons';
import type { Browsed, Replayed } from '../../operations/dead-letters/run';
import { count, number } from '../../operations/render';
import { Facts, Form, Hidden, Problem, ReasonField } from '../frame/page';
import { letters } from './list-page';

/** The dead letters to be changed: one of them (and those equal to it), or all of a reason. */
export interface Target {
  act: 'replay' | 'drop';
  id?: string | undefined;
  reason?: string | undefined;
  origin?: string | undefined;
}

export const TITLES = { replay: 'Replay dead letters', drop: 'Drop dead letters' };

interface ConfirmProps {
  target: Target;
  counted: Browsed | Replayed;
  /** Said if they were counted before, and are not the same any more. */
  problem?: string;
}

export function ConfirmPage({ target, counted, problem }: ConfirmProps): VNode {
  const { act, id, reason, origin } = target;
  const { matched, mark, total, interrupted } = counted;
  const text = reason === undefined ? undefined : REASONS.get(reason);
  const doable = 'replayed' in counted ? counted.replayed : matched;
  return (
    <>
      {problem !== undefined && <Problem>{problem}</Problem>}
      <Facts
        rows={[
          ['Message', id && <code>{id}</code>],
          ['Reason', reason],
          ['What it means', text?.meaning],
          ['What to do', text?.remedy],
          ['From the queue', origin],
          ['Messages', `${number(matched)} of ${letters(total)}`],
          ...('routes' in counted
            ? [...counted.routes].map(([q, n]) => ['Goes back to', `${q} (${number(n)})`] as const)
            : []),
        ]}
      />
      {interrupted && (
        <p role="note" class="problem">
          Counting took too long and was stopped: there may be more.
        </p>
      )}
      {'unroutable' in counted && counted.unroutable > 0 && <p>{stays(counted.unroutable)}</p>}
      {doable === 0 ? (
        <p>There is nothing to {act}: another operator may have done it already.</p>
      ) : (
        <>
          <p>{EXPLANATIONS[act]}</p>
          <Form action="/dead-letters/confirm">
            <Hidden
              values={{ act, id: id ?? '', which: reason ?? '', origin: origin ?? '', matched: String(matched), mark }}
            />
            <ReasonField />
            <button type="submit">
              {act === 'replay' ? `Replay ${count(doable, 'message')}` : `Drop ${count(doable, 'message')} for good`}
            </button>
          </Form>
        </>
      )}
      <p>
        <a href={id === undefined ? '/dead-letters' : `/dead-letters/${id}`}>Back, without changing anything</a>
      </p>
    </>
  );
}

const EXPLANATIONS = {
  replay:
    'Each message goes back to the queue that it came from, and is handled at once. Handling a message twice changes nothing. If it cannot be handled again, it comes back here.',
  drop: 'The messages are deleted. This cannot be undone.',
};

export const stays = (n: number): string =>
  n === 1
    ? '1 stays, because it is not known which of our queues it came from.'
    : `${number(n)} stay, because it is not known which of our queues they came from.`;
