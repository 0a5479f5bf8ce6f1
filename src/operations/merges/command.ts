import type { Command } from 'commander';
import type { Context } from '../context';
import { addList } from './list-command';
import { addPreview } from './preview-command';
import { addShow } from './show-command';
import { addUnblock } from './unblock-command';
import { addUndo } from './undo-command';

export function addMerges(program: Command, context: Context): void {
  const merges = program
    .command('merges')
    .description('List, explain, preview and undo merges')
    .addHelpText(
      'after',
      `
Examples:
  $ onecontact merges list --limit 50
  $ onecontact merges show 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11
  $ onecontact merges undo 0198f3a2-6c1e-7cc2-9a51-3f0c2f8e7d11 --dry-run`,
    );
  addList(merges, context);
  addShow(merges, context);
  addPreview(merges, context);
  addUndo(merges, context);
  addUnblock(merges, context);
}
