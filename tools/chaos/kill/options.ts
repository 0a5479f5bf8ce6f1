import { parseArgs } from 'node:util';
import { wholeNumber } from '../../options';

export interface Options {
  only: 'batch' | 'relay' | undefined;
  from: number;
  to: number;
  keep: boolean;
}

export const HELP = `Usage: npm run chaos:kill -- [options]

Kills a worker process (SIGKILL) before and after every statement of the transaction that handles a batch and of the
relay's, and before and after everything that goes between it and the broker: acks, published messages, confirms. After
each kill another worker process completes the work; then every row, the canonical export, the mailer's messages and the
dead letters must be those of an undisturbed run.

  --only batch|relay   only the batches, or only the relay
  --from N, --to N     only these points; each is printed with its number
  --keep               keep the workers' logs also when all is well

It brings its own RabbitMQ and PostgreSQL (installed here, or fetched); no other server is touched. All of it takes some
minutes.
Exit codes: 0 all as undisturbed, 1 something was not (or it could not run), 2 bad usage, 130 interrupted.`;

/** @throws TypeError with a message for the user */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      from: { type: 'string', default: '1' },
      to: { type: 'string', default: String(Number.MAX_SAFE_INTEGER) },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const { only } = values;
  if (only !== undefined && only !== 'batch' && only !== 'relay')
    throw new TypeError('--only must be `batch` or `relay`');
  const from = wholeNumber('from', values.from, 1);
  const to = wholeNumber('to', values.to, 1);
  if (from > to) throw new TypeError('--from must not be above --to');
  return { only, from, to, keep: values.keep };
}
