import type { Command } from 'commander';
import { runDemo } from '../demo/run';
import type { Context } from './run';
import { wantsColour } from './terminal';

export function addDemo(program: Command, context: Context): void {
  program
    .command('demo')
    .description('Show the whole of it on a real broker and a real database, then clean up')
    .addHelpText(
      'after',
      `
Runs from a checkout. Brings its own RabbitMQ and PostgreSQL (a container, what is installed, or fetched once), or takes
empty ones named by TEST_AMQP_URL and TEST_DATABASE_URL. Never touches AMQP_URL and DATABASE_URL.

Examples:
  $ npm run demo
  $ NO_COLOR=1 npm run demo
  $ TEST_AMQP_URL=amqp://localhost/empty TEST_DATABASE_URL=postgresql://localhost/empty npm run demo`,
    )
    .action(async () => {
      const colour = wantsColour(context);
      const passed = await runDemo({
        env: context.env,
        colour,
        print: (line) => void context.stdout.write(`${line}\n`),
      });
      context.exitCode = passed ? 0 : 1;
    });
}
