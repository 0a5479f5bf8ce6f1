/** What people type as an account, an address or a number of things. Never repeated when it is wrong: it is somebody's. */
import { type Command, InvalidArgumentError } from 'commander';
import { normaliseAddress } from '../contacts/facts/address';
import type { Address } from '../contacts/facts/event';
import { accountKey } from '../contacts/facts/lookup-key';

/** Ends the command with 2 when it is none. */
export function uidFrom(command: Command, text: string): string {
  const key = accountKey(text.trim());
  return key?.by === 'account' ? key.uid : command.error('error: the account is no uid of 32 hexadecimal digits');
}

/** Ends the command with 2 when it is none. */
export function addressFrom(command: Command, text: string): Address {
  const normalised = normaliseAddress(text);
  return normalised.ok ? normalised.address : command.error(`error: the address ${normalised.problem}`);
}

/** For an option. */
export function positive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1 on.');
  return Number(text);
}
