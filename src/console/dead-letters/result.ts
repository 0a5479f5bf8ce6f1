/** What a change did, in the address of the page that follows it: as numbers, and nothing else. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Browsed, Replayed } from '../../operations/dead-letters/run';
import { count, number } from '../../operations/render';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from '../../rabbitmq/names';
import { stays } from './confirm-page';
import { pathTo } from './list-page';

const Count = z.coerce.number().int().min(0).max(1e9).default(0);
const Result = z.object({
  done: z.enum(['replayed', 'dropped']),
  matched: Count,
  fxa: Count,
  newsletter: Count,
  unknown: Count,
  large: Count,
  stopped: Count,
});

export function resultPath(done: Browsed | Replayed): string {
  const stopped = done.interrupted ? 1 : undefined;
  if (!('replayed' in done)) return pathTo('/dead-letters', { done: 'dropped', matched: done.dropped, stopped });
  return pathTo('/dead-letters', {
    ...{ done: 'replayed', matched: done.replayed, fxa: done.routes.get(FXA_QUEUE) },
    ...{ newsletter: done.routes.get(NEWSLETTER_QUEUE), unknown: done.unroutable, large: done.unsendable, stopped },
  });
}

export function resultText({ query }: FastifyRequest): string | undefined {
  const { data } = Result.safeParse(query);
  if (data === undefined) return undefined;
  const { done, matched, fxa, newsletter, unknown, large, stopped } = data;
  const queues = [
    ...(newsletter > 0 ? [`${number(newsletter)} to ${NEWSLETTER_QUEUE}`] : []),
    ...(fxa > 0 ? [`${number(fxa)} to ${FXA_QUEUE}`] : []),
  ];
  const sentences = [
    done === 'dropped'
      ? `${count(matched, 'message')} dropped.`
      : `${count(matched, 'message')} replayed${matched > 0 && queues.length > 0 ? `: ${queues.join(', ')}` : ''}.`,
    ...(unknown > 0 ? [stays(unknown)] : []),
    ...(large > 0 ? [`${number(large)} stay, because the broker takes no message as large as that.`] : []),
    ...(stopped > 0 ? ['It was stopped after two minutes: the others are still here. Do it again for these.'] : []),
    ...(done === 'replayed' && matched > 0 ? ['A message that fails again comes back here, after its retries.'] : []),
  ];
  return sentences.join(' ');
}
