/** Arguments and options as operators type them. Errors never quote the text, which may be personal data. */
import { type Command, InvalidArgumentError } from 'commander';
import { normaliseAddress } from '../contacts/facts/address';
import type { Address } from '../contacts/facts/event';
import { accountKey, asUuid } from '../contacts/facts/lookup-key';
import { readDuration, readTime } from '../foundation/times';

/** Reads an account's uid; any other text ends the command with exit code 2. */
export function uidFrom(command: Command, text: string): string {
  const key = accountKey(text.trim());
  return key?.by === 'account' ? key.uid : command.error('error: the account uid must be 32 hexadecimal digits');
}

/** Reads an email address; any other text ends the command with exit code 2. */
export function addressFrom(command: Command, text: string): Address {
  const normalised = normaliseAddress(text);
  return normalised.ok ? normalised.address : command.error(`error: the address ${normalised.problem}`);
}

/** Reads an email address or a contact id. The problem quotes no part of the text. */
export function readAddressOrId(text: string): Address | { contactId: string } | { problem: string } {
  const contactId = asUuid(text.trim());
  if (contactId !== undefined) return { contactId };
  const normalised = normaliseAddress(text);
  return normalised.ok ? normalised.address : { problem: `the address ${normalised.problem}` };
}

/** Reads an email address or a contact id; any other text ends the command with exit code 2. */
export function addressOrIdFrom(command: Command, text: string): Address | { contactId: string } {
  const read = readAddressOrId(text);
  return 'problem' in read ? command.error(`error: ${read.problem}`) : read;
}

/** Reads a merge's id; any other text ends the command with exit code 2. */
export const mergeIdFrom = (command: Command, text: string): string =>
  asUuid(text.trim()) ?? command.error('error: the id must be a uuid: `onecontact merges list` shows the ids');

const numberOption =
  (shape: RegExp, min: number) =>
  (text: string): number => {
    if (!shape.test(text)) throw new InvalidArgumentError(`It must be a whole number, ${min} or more.`);
    return Number(text);
  };

/** Parsers of an option. */
export const wholeNumber = numberOption(/^\d{1,9}$/, 0);
export const positive = numberOption(/^[1-9]\d{0,8}$/, 1);

/** Parses an option that is a time (UTC without an offset) or an age, such as `2h` or `30d`. */
export function parseWhen(text: string): Date {
  const age = readDuration(text);
  const at = age === undefined ? readTime(text) : Date.now() - age;
  if (at === undefined) {
    throw new InvalidArgumentError(
      'It must be a time such as 2026-01-21 or 2026-01-21T10:00Z, or an age such as 90s, 15m, 2h or 30d.',
    );
  }
  return new Date(at);
}
