import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

/** Like the servers of the demo, only a checkout has it. */
const PROGRAM = resolve(__dirname, '../../examples/mailer.mjs');

export interface Mailer {
  /** The mails that it has written so far, oldest first: headers, an empty line, text. */
  mails(): readonly string[];
  /** What it said when it failed; undefined while all is well. */
  failure(): string | undefined;
  stop(): Promise<void>;
}

/** The example mailer, as a process of its own, like anybody else's: what it writes is what the demo shows. */
export function startMailer(amqpUrl: string): Mailer {
  const child = spawn(process.execPath, [PROGRAM], { env: { AMQP_URL: amqpUrl }, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  let [written, complaint] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  return {
    mails: () => written.split(/^(?=To: )/m).flatMap((mail) => mail.trim() || []),
    failure: () => (child.exitCode === null ? undefined : complaint || `it ended with exit code ${child.exitCode}`),
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
