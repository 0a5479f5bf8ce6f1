/** What forms send. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Author } from '../../operations/audited';

/** A form that was not filled in as its page says; the message is for the person who sent it. */
export class BadForm extends Error {}

/** @throws BadForm with the first problem */
export function readForm<T extends z.ZodType>(schema: T, request: FastifyRequest): z.output<T> {
  const { data, error } = schema.safeParse(request.body ?? {});
  if (error) throw new BadForm(error.issues[0]?.message ?? 'The form is incomplete.');
  return data as z.output<T>;
}

/** Shown with the preview of now, when what was confirmed was another one. */
export const EFFECT_CHANGED =
  'Something about these contacts changed after the preview. Nothing was done: this is the preview of now.';

/** As long as the commands allow. */
export const Reason = z
  .string('Give a reason.')
  .transform((text) => text.trim())
  .refine((text) => text.length > 0 && text.length <= 500, 'Give a reason of at most 500 characters.');

/** Who changes something, and why, for the audit. */
export const authorOf = ({ operator }: FastifyRequest, reason: string): Author => ({
  operator: operator as string,
  reason,
});

/** What was just done, by the code in `?done=`: a change redirects to a page, so that reloading it repeats nothing. */
export function noticeOf(request: FastifyRequest, notices: Readonly<Record<string, string>>): string | undefined {
  const { done } = request.query as { done?: unknown };
  return typeof done === 'string' && Object.hasOwn(notices, done) ? notices[done] : undefined;
}
