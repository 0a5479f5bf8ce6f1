/**
 * A reason that a reader gives after leaving. It is stored as a choice of its own, because it does not say which
 * refusal it is about.
 */
import type { Choice } from './facts';

const PREFIX = ' reason ';

/**
 * The key of a reason, in place of a newsletter's name, which never begins with a space.
 *
 * @param newsletter empty for all email
 */
export const reasonKey = (newsletter: string): string => `${PREFIX}${newsletter}`;

/** The newsletter that a choice is about, empty for all email; null for a set, which is about several. */
export function newsletterOf({ act, newsletter }: Pick<Choice, 'act' | 'newsletter'>): string | null {
  if (act === 'set') return null;
  return act === 'reason' ? newsletter.slice(PREFIX.length) : newsletter;
}
