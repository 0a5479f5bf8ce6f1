/** What the audit says, in words. Another release may have other commands and names: they are shown as they are. */
import type { AuditedCommand } from '../../postgres/tables/audit';

export const COMMANDS: Record<AuditedCommand, string> = {
  migrate: 'Changed the database’s schema',
  topology: 'Declared the broker’s queues',
  import: 'Imported a file',
  'merges undo': 'Undid a merge',
  'merges unblock': 'Unblocked claims',
  'collisions resolve': 'Released held claims',
  'opt-out': 'Opted a reader out',
  erase: 'Erased a reader',
  'erasures apply': 'Applied a list of erasures',
  purge: 'Purged old data',
  'dead-letters replay': 'Replayed dead letters',
  'dead-letters drop': 'Dropped dead letters',
  'feed renew': 'Renewed the change feed',
};

export const commandText = (command: string): string =>
  Object.hasOwn(COMMANDS, command) ? COMMANDS[command as AuditedCommand] : command;

const NAMES: Readonly<Record<string, string>> = {
  account_id: 'Account',
  accounts: 'Accounts',
  contact_id: 'Contact',
  contacts: 'Contacts',
  merge_id: 'Merge',
  merges: 'Merges',
  email: 'Address',
  addresses: 'Addresses',
  claims: 'Claims',
  choices: 'Choices of readers',
  tokens: 'Tokens',
  messages: 'Messages that were waiting',
  pairs: 'Address and account',
  announce: 'Mailer told',
  trigger_event_id: 'Event that caused the merge',
  result: 'Result',
  released: 'Pairs released',
  file: 'File',
  before: 'Data from before',
  applied: 'Migrations',
  declared: 'Declared',
  ids: 'Ids of the messages',
  reason: 'Reason of the dead letters',
  queue: 'Queue',
  limit: 'At most',
  all: 'All',
  dead_letters: 'Dead letters in the queue',
  matched: 'Dead letters that matched',
  replayed: 'Dead letters replayed',
  dropped: 'Dead letters dropped',
};

/** `first_name` as `First name`, if there is no better name. */
export function nameText(name: string): string {
  if (Object.hasOwn(NAMES, name)) return NAMES[name] as string;
  const words = name.replace(/_/g, ' ').replace(/[a-z](?=[A-Z])/g, '$& ');
  return words.charAt(0).toUpperCase() + words.slice(1).toLowerCase();
}

const RESULTS: Readonly<Record<string, string>> = {
  undone: 'undone',
  unblocked: 'unblocked',
  opted_out: 'opted out',
};

export const resultText = (text: string): string => (Object.hasOwn(RESULTS, text) ? (RESULTS[text] as string) : text);
