import type { Command } from 'commander';
import type { Context } from '../context';
import { addList } from './list-command';
import { addResolve } from './resolve-command';

export function addCollisions(program: Command, context: Context): void {
  const collisions = program
    .command('collisions')
    .description('List and release held claims; list accounts without an address')
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
