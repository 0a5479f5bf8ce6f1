import { Command, CommanderError } from 'commander';
import { BrokerRefusal } from '../broker/errors';
import { readVersion } from '../http/version';
import { OperatorError } from '../operator-error';
import { failureOf } from '../store/failure';
import { isUnusable, whyUnusable } from '../store/unusable';
import { addCollisions } from './collisions';
import { addConsent } from './consent';
import { addDeadLetters } from './dead-letters';
import { addDemo } from './demo';
import { addErase } from './erase';
import { addExport } from './export';
import { addImport } from './import';
import { framesOf } from './log';
import { addMerges } from './merges';
import { addMigrate } from './migrate';
import { addPurge } from './purge';
import { addShow } from './show';
import { addStart } from './start';
import type { Terminal } from './terminal';

/** What every command gets. One that fails without an error sets the exit code. */
export interface Context extends Terminal {
  exitCode: number;
}

const DONE = 0;
const FAILED = 1;
const BAD_USAGE = 2;

/** Runs one command. @returns the exit code: 0 done, 1 failed, 2 bad usage */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  // Not a copy: who only looks at `process.stdin` changes how the pipe behaves for others who read it.
  const context: Context = Object.create(terminal, { exitCode: { value: DONE, writable: true } });
  try {
    await makeProgram(context).parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : BAD_USAGE; // it has said why
    // The reader of the output (`head`, say) has seen enough.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return FAILED;
    context.stderr.write(`onecontact: ${explain(error)}\n`);
    return FAILED;
  }
}

function makeProgram(context: Context): Command {
  const program = new Command('onecontact')
    .description('One person, one contact record: merges the contacts of one person, and announces each merge once.')
    .version(readVersion().version)
    .exitOverride() // before the commands are added: they inherit it
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
    })
    .showHelpAfterError('(--help tells more)')
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 failed, 2 bad usage.
In a checkout, \`onecontact\` is \`npm run -s onecontact --\`. To see it at work without any set-up: npm run demo

Examples:
  $ onecontact migrate
  $ onecontact start
  $ onecontact show ada@mail.test
  $ onecontact merges undo --help`,
    );
  for (const add of [
    addStart,
    addMigrate,
    addDemo,
    addShow,
    addExport,
    addImport,
    addConsent,
    addMerges,
    addCollisions,
    addPurge,
    addErase,
    addDeadLetters,
  ])
    add(program, context);
  return program;
}

/** Wrong credentials, no such database, no right to it: SQLSTATEs, and Prisma's names where it hides them. */
const NOT_LET_IN = /^(28...|3D...|42501|AuthenticationFailed|Database\w+|Tls\w+)$/;

const NO_ROOM = /^(ENOSPC|EDQUOT)$/;

/** For an operator: what to do where we know it. Never a database's own words, which may hold personal data. */
function explain(error: unknown): string {
  if (error instanceof OperatorError || error instanceof BrokerRefusal) return error.message;
  const { kind, code } = failureOf(error);
  if (kind === 'down' || NOT_LET_IN.test(code) || isUnusable(error)) return whyUnusable(error);
  if (kind === 'transient' || kind === 'busy')
    return `The database could not do it now (${code}): try again, and if it stays so, check DATABASE_URL.`;
  if (NO_ROOM.test(code)) return `The output cannot be written (${code}): make room on the disk that it goes to.`;
  const frames = error instanceof Error ? framesOf(error).map((frame) => `\n    at ${frame}`) : [];
  return `Failed (${code}). Where:${frames.join('')}`;
}
