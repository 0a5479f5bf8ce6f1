import { type Command, InvalidArgumentError } from 'commander';
import { readConfig } from '../../config';
import { OperatorError } from '../../foundation/operator-error';
import type { Database } from '../../postgres/database';
import { addToAudit } from '../../postgres/tables/audit';
import { BrokerRefusal, describe, explained } from '../../rabbitmq/errors';
import { declareParts } from '../../rabbitmq/topology/topology';
import { vhostOf } from '../../rabbitmq/url';
import { authorOf } from '../audited';
import type { Context } from '../context';
import { withBroker, withDatabase } from '../servers';
import { definitionsFor, policyCommands } from './definitions';

interface Options {
  apply?: true;
  vhost: string;
  rabbitmq: 3 | 4;
}

export function addTopology(program: Command, context: Context): void {
  program
    .command('topology')
    .description('Print the RabbitMQ definitions (exchanges, queues, bindings, policies), or declare them')
    .option('--apply', 'declare exchanges, queues and bindings on the broker of AMQP_URL')
    .option('--vhost <name>', 'the vhost of the printed definitions', '/')
    .option('--rabbitmq <3|4>', 'the major version of the broker that imports the definitions', parseMajor, 4)
    .addHelpText(
      'after',
      `
Prints definitions in RabbitMQ's own format. Import them with \`rabbitmqctl import_definitions\` or the management plugin,
or keep them in version control. Existing objects are not changed.

--apply needs AMQP_URL with a user who may configure, write and read. The service itself can then run without the right to configure. A client cannot set policies, so --apply prints the commands that set them. With DATABASE_URL, --apply is recorded in the audit.

Examples:
  $ onecontact topology > definitions.json && rabbitmqctl import_definitions definitions.json
  $ AMQP_URL=amqp://admin:…@host/vhost onecontact topology --apply`,
    )
    .action(async ({ apply, vhost, rabbitmq: major }: Options) => {
      if (!apply) return context.print(`${JSON.stringify(definitionsFor({ vhost, major }), null, 2)}\n`);
      const { amqpUrl } = readConfig(context.env, ['broker']);
      const brokersMajor = hasDatabase(context.env)
        ? await withDatabase(context.env, (db) => declareOnBroker(context.env, db))
        : await declareOnBroker(context.env, null);
      const commands = policyCommands(vhostOf(amqpUrl), brokersMajor).map((line) => `  ${line}\n`);
      return context.print(
        `The topology is in place. Policies are set with rabbitmqctl or the management plugin:\n${commands.join('')}`,
      );
    });
}

/** The broker may be set up before there is a database. */
const hasDatabase = (env: NodeJS.ProcessEnv): boolean => Boolean(env.DATABASE_URL || env.DATABASE_URL_FILE);

/** @param db for the audit @returns the major version of the broker */
async function declareOnBroker(env: NodeJS.ProcessEnv, db: Database | null): Promise<3 | 4> {
  const { restored, problems, major } = await withBroker(env, async ({ connection }) => ({
    ...(await explained(declareParts(connection), unfinished)),
    major: Number.parseInt(connection.serverProperties?.version ?? '', 10) === 3 ? (3 as const) : (4 as const),
  }));
  if (problems.length > 0) throw new OperatorError(problems.join('\n'));
  const entry = { ...authorOf(env), command: 'topology' as const, target: { declared: restored }, result: {} };
  if (db) await addToAudit(db, entry);
  return major;
}

const unfinished = (error: unknown): string | undefined =>
  error instanceof BrokerRefusal
    ? undefined
    : `The broker could not declare everything (${describe(error).code ?? 'connection lost'}): see its log, then try again.`;

function parseMajor(text: string): number {
  if (text !== '3' && text !== '4') throw new InvalidArgumentError('It must be 3 or 4.');
  return Number(text);
}
