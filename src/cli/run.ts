import { Command, CommanderError, Option } from 'commander';
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
import { wrapHelp } from './help';
import { addConsole, addStart } from './start';

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

/** The commands, as the help lists them. */
const GROUPS = {
  'Service:': [addStart, addConsole, addMigrate, addTopology],
  'Look up:': [addShow, addConsent],
  'Merges:': [addMerges, addCollisions],
  'Import and export:': [addImport, addExport, addFeed],
  'Privacy:': [addOptOut, addErase, addErasures, addPurge, addAudit],
  'Messages:': [addSend, addDeadLetters],
};

function makeProgram(context: Context): Command {
  const program = new Command('onecontact');
  const { version } = readVersion();
  program
    .description(
      'Keeps one contact record per person: merges two records when they turn out to be one person, and announces each merge once.',
    )
    .version(version, '-V, --version', 'print the version (also -v)')
    .addOption(new Option('-v').hideHelp())
    .on('option:v', () => {
      context.stdout.write(`${version}\n`);
      throw new CommanderError(DONE, 'commander.version', version);
    })
    .exitOverride() // before the commands are added, because they inherit it
    .configureOutput({
      writeOut: (text) => void context.stdout.write(wrapHelp(text, program)),
      // In a script, an error stays on one line, so that it can be searched for.
      writeErr: (text) => void context.stderr.write(context.stderr.isTTY ? wrapHelp(text, program) : text),
      outputError: (text, write) => write(withoutAddress(text)),
    })
    .showHelpAfterError('(see --help)')
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 failed, 2 bad usage.

Try it without servers of your own, in a checkout: npm run demo

Examples:
  $ onecontact migrate
  $ onecontact start
  $ onecontact show ada@mail.test
  $ onecontact merges undo --help`,
    );
  for (const [group, adders] of Object.entries(GROUPS)) {
    program.commandsGroup(group);
    for (const add of adders) add(program, context);
  }
  return program;
}

/** An option with a value, such as `--address=ada@mail.test`. */
const OPTION_WITH_VALUE = /^--[a-z][a-z-]*=/;

/**
 * Commander takes an address that begins with a dash for an option. A space before the address makes it an argument; it is
 * trimmed later, like all spaces around an address.
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

/** Tells an operator what to do, if known. Never shows a message of the database, which may contain personal data. */
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
