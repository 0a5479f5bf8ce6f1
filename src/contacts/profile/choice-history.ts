/** A person's choices as they are weighed against each other: newsletter states and the opt-out follow from them. */
import type { Time } from '../facts/event';
import { type Choice, choiceKey, isRefusal, mergeChoices, originKey } from '../facts/facts';
import { newsletterOf } from '../facts/later-reason';
import { compareText, greatest } from '../facts/order';
import { isRefusedBy } from '../facts/refused';

export interface ChoiceHistory {
  /**
   * Without reasons. Sets are written out: each as an unsubscription from every newsletter of the person that it
   * refuses.
   */
  choices: readonly Choice[];
  /** The times of opt-outs. */
  optOuts: readonly Time[];
  /** The times of proven acts: each lifts an earlier opt-out. */
  proofs: readonly Time[];
  /** The reasons that came after a refusal. */
  reasons: readonly LaterReason[];
}

export interface LaterReason {
  choice: Choice;
  /** Empty for all email. */
  newsletter: string;
  /** The time of the latest refusal, at or before the reason: of its newsletter, or else of anything. */
  refusedAt: Time;
}

export function historyOf(attributed: Iterable<Choice>): ChoiceHistory {
  const all = [...attributed];
  const reasons = all.filter(({ act }) => act === 'reason');
  const choices = writtenOut(reasons.length > 0 ? all.filter(({ act }) => act !== 'reason') : all);
  const timesOf = (which: (choice: Choice) => boolean): Time[] => choices.filter(which).map(({ at }) => at);
  return {
    choices,
    optOuts: timesOf(({ act }) => act === 'opt_out'),
    proofs: timesOf(isProvenAct),
    reasons: reasons.flatMap((choice) => laterReason(choice, choices) ?? []),
  };
}

function laterReason(choice: Choice, choices: readonly Choice[]): LaterReason | null {
  const newsletter = newsletterOf(choice) as string;
  let refusedAt: Time | null = null;
  for (const refusal of choices) {
    if (!isRefusal(refusal) || refusal.at > choice.at || (refusedAt !== null && refusal.at < refusedAt)) continue;
    if (newsletter === '' || refusal.newsletter === newsletter) refusedAt = refusal.at;
  }
  return refusedAt === null ? null : { choice, newsletter, refusedAt };
}

/** The latest reason that was given after the refusal of a newsletter, or of all email (empty); at equal times the greater. */
export function reasonGivenLater(
  { reasons }: ChoiceHistory,
  { newsletter, at }: Pick<Choice, 'newsletter' | 'at'>,
): Choice | undefined {
  const about = reasons.filter(
    (reason) => reason.refusedAt === at && (reason.newsletter === '' || reason.newsletter === newsletter),
  );
  return greatest(
    about.map(({ choice }) => choice),
    (a, b) => a.at - b.at || compareText(a.reason ?? '', b.reason ?? ''),
  );
}

/** A newsletter that only sets mention has no state, so none is written out for it. */
function writtenOut(attributed: readonly Choice[]): readonly Choice[] {
  const sets = attributed.filter(({ act }) => act === 'set');
  if (sets.length === 0) return attributed;
  const others = attributed.filter(({ act }) => act !== 'set');
  const names = new Set(others.flatMap(({ newsletter }) => (newsletter === '' ? [] : newsletter)));
  const written = new Map(others.map((choice) => [ledgerKey(choice), choice]));
  for (const { refused, ...set } of sets) {
    for (const newsletter of names) {
      if (!refused || !isRefusedBy(refused, newsletter)) continue;
      const choice: Choice = { ...set, act: 'unsubscribe', newsletter };
      const known = written.get(ledgerKey(choice));
      // Under one key the refusal wins: a subscription under the same key does not count, not even as a proof.
      written.set(ledgerKey(choice), known ? mergeChoices(known, choice) : choice);
    }
  }
  return [...written.values()];
}

const ledgerKey = (choice: Choice): string => `${originKey(choice.origin)}\u0000${choiceKey(choice)}`;

/** A proven `subscribe` or `confirm`. */
export const isProvenAct = (choice: Choice): boolean => choice.proven && !isRefusal(choice);

/** Plus infinity for no times. */
export const earliest = (times: readonly Time[]): Time =>
  times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);

/** The latest opt-out before a time; minus infinity if there is none. */
export const lastOptOut = ({ optOuts }: ChoiceHistory, before: Time): Time =>
  optOuts.reduce((last, at) => (at < before && at > last ? at : last), Number.NEGATIVE_INFINITY);

/** Whether an opt-out stands just before a time: a strictly later proven act lifts it. */
export function optedOutBefore(history: ChoiceHistory, before: Time): boolean {
  const last = lastOptOut(history, before);
  return last !== Number.NEGATIVE_INFINITY && !history.proofs.some((at) => at > last && at < before);
}

/**
 * When a subscription takes effect. An unproven subscription made while opted out takes effect only with a later proven
 * `confirm` at its origin. Plus infinity for never.
 */
export function takesEffectAt(choice: Choice, history: ChoiceHistory): Time {
  if (choice.proven || !optedOutBefore(history, choice.at)) return choice.at;
  const confirmed = history.choices.filter(
    ({ act, proven, at, origin }) =>
      act === 'confirm' && proven && at > choice.at && originKey(origin) === originKey(choice.origin),
  );
  return earliest(confirmed.map(({ at }) => at));
}
