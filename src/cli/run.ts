import { Command, CommanderError } from 'commander';
import { OperatorError } from '../foundation/operator-error';
import { readVersion } from '../http/version';
import { framesOf } from '../observability/log';
import { addAudit } from '../operations/audit/command';
import { addCollisions } from '../operations/collisions/command';
import { addConsent } from '../operations/consent/command';
import { Context, type Terminal } from '../operations/context';
import { addDeadLetters } from '../operations/dead-letters/command';
import { addErase } from '../operations/erase/command';
import { addErasures } from '../operations/erase/erasures-command';
import { addExport } from '../operations/export/command';
import { addFeed } from '../operations/feed/command';
import { addImport } from '../operations/import/command';
import { addMerges } from '../operations/merges/command';
import { addMigrate } from '../operations/migrate/command';
import { addOptOut } from '../operations/opt-out/command';
import { addPurge } from '../operations/purge/command';
import { addSend } from '../operations/send/command';
import { addShow } from '../operations/show/command';
import { addTopology } from '../operations/topology/command';
import { connectionProblem, failureOf, needsOperator } from '../postgres/errors';
import { BrokerRefusal } from '../rabbitmq/errors';
import { addStart } from './start';

const DONE = 0;
const FAILED = 1;
const BAD_USAGE = 2;

/** Runs one command. @returns the exit code: 0 done, 1 failed, 2 bad usage */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const context = new Context(terminal);
  try {
    await makeProgram(context).parseAsync(withDashedAddresses(args), { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : BAD_USAGE; // commander has printed it
    // The reader of the output, such as `head`, has closed it.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return FAILED;
    context.stderr.write(`onecontact: ${explain(error)}\n`);
    if (context.advice !== null) context.stderr.write(`${context.advice}\n`);
    return FAILED;
  }
}

function makeProgram(context: Context): Command {
  const program = new Command('onecontact')
    .description('One person, one contact record: merges the contacts of one person, and announces each merge once.')
    .version(readVersion().version)
    .exitOverride() // before the commands are added, because they inherit it
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      outputError: (text, write) => write(withoutAddress(text)),
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
    addShow,
    addExport,
    addFeed,
    addImport,
    addConsent,
    addMerges,
    addCollisions,
    addPurge,
    addOptOut,
    addErase,
    addErasures,
    addAudit,
    addDeadLetters,
    addTopology,
    addSend,
  ])
    add(program, context);
  return program;
}

/** An option with a value, such as `--address=ada@mail.test`. */
const OPTION_WITH_VALUE = /^--[a-z][a-z-]*=/;

/**
 * An address may begin with a dash, which commander takes for an option. A space before it makes it an argument, and is
 * trimmed with all others around an address.
 */
function withDashedAddresses(args: readonly string[]): string[] {
  const end = args.indexOf('--');
  return args.map((arg, i) => {
    const isOperand = end >= 0 && i > end;
    return !isOperand && /^-.*@/s.test(arg) && !OPTION_WITH_VALUE.test(arg) ? ` ${arg}` : arg;
  });
}

/** Commander quotes what it cannot understand, such as an address that looks like an option with a value. */
function withoutAddress(text: string): string {
  if (text.startsWith("error: unknown option '") && text.includes('@')) {
    return 'error: no option has an @: write -- before an address that looks like an option\n';
  }
  return text.replace(/'.*@.*'/gs, 'an address');
}

const DISK_FULL = /^(ENOSPC|EDQUOT)$/;

/** Tells an operator what to do, if known. Never a message of the database: it may hold personal data. */
function explain(error: unknown): string {
  if (error instanceof OperatorError || error instanceof BrokerRefusal) return error.message;
  const { kind, code } = failureOf(error);
  if (kind === 'down' || needsOperator(error)) return connectionProblem(error);
  if (kind === 'transient' || kind === 'busy' || kind === 'slow')
    return `The database could not do it now (${code}): try again, and if it stays so, check DATABASE_URL.`;
  if (DISK_FULL.test(code)) return `The output cannot be written (${code}): make room on the disk that it goes to.`;
  const frames = error instanceof Error ? framesOf(error).map((frame) => `\n    at ${frame}`) : [];
  return `Failed (${code}). Where:${frames.join('')}`;
}
