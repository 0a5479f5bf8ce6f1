import type { Command } from 'commander';
import { readConfig } from '../../config';
import { migrate } from '../../postgres/migrations/migrate';
import type { Context } from '../context';
import { withDatabase } from '../servers';

export function addMigrate(program: Command, context: Context): void {
  program
    .command('migrate')
    .description('Bring the schema of the database up to this version')
    .option('--json', 'for machines: {"applied":["…"]}')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Safe to run again, and by several processes at once.

Examples:
  $ onecontact migrate
  $ onecontact migrate --json`,
    )
    .action(async ({ json }: { json?: true }) => {
      const { databaseUrl } = readConfig(context.env, ['database']);
      const applied = await migrate(databaseUrl);
      await withDatabase(context.env, async () => undefined); // refuses a schema of a newer version
      await context.answer({ json }, { applied }, () => textOf(applied));
    });
}

function textOf(applied: readonly string[]): string {
  if (applied.length === 0) return 'The schema is up to date: nothing to do.\n';
  return `Applied:\n${applied.map((name) => `  ${name}\n`).join('')}`;
}
