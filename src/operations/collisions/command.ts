import type { Command } from 'commander';
import type { Context } from '../context';
import { addList } from './list-command';
import { addResolve } from './resolve-command';

export function addCollisions(program: Command, context: Context): void {
  const collisions = program
    .command('collisions')
    .description('Look at claims that wait for a decision, and decide')
    .addHelpText(
      'after',
      `
Examples:
  $ onecontact collisions list
  $ onecontact collisions resolve --dry-run
  $ onecontact collisions resolve --rate 200`,
    );
  addList(collisions, context);
  addResolve(collisions, context);
}
