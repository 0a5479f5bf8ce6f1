import type { Command } from 'commander';
import type { Context } from '../context';
import { migrateSchema } from './run';

export function addMigrate(program: Command, context: Context): void {
  program
    .command('migrate')
    .description('Apply pending database migrations')
    .option('--json', 'print JSON: {"applied":["…"]}')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. May be run again, and by several processes at once.

Examples:
  $ onecontact migrate
  $ onecontact migrate --json`,
    )
    .action(async ({ json }: { json?: true }) => {
      const applied = await migrateSchema(context.env);
      await context.answer({ json }, { applied }, () => textOf(applied));
    });
}

function textOf(applied: readonly string[]): string {
  if (applied.length === 0) return 'The schema is up to date: nothing to do.\n';
  return `Applied:\n${applied.map((name) => `  ${name}\n`).join('')}`;
}
