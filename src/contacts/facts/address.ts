import { domainToASCII } from 'node:url';
import type { Address } from './event';

/** The longest normalised address, in characters: the limit of Mozilla accounts. */
export const MAX_ADDRESS_LENGTH = 256;

/**
 * The longest address as typed, in characters: it bounds what is parsed and stored. It is wider, because a unicode domain can
 * shrink when it is normalised (decomposed accents, soft hyphens).
 */
const MAX_TYPED_LENGTH = 512;

const MAX_DOMAIN_LENGTH = 253;

/** Programs write these into an address field when they have no address. */
const PLACEHOLDERS = new Set(['null', 'undefined', 'nan', '[object object]']);

const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;

/**
 * Mail headers give these characters a meaning: `"ada"@mail.test` and `ada(x)@mail.test` are the mailbox `ada@mail.test`.
 * With both spellings stored as two addresses, the second would evade an opt-out of the first.
 */
const HEADER_SYNTAX = /[()<>[\]:;@\\,"]/;

const ANY_NON_ASCII = /[^\0-\x7f]/;

/** RFC 1123 host name: two labels or more, each of 1-63 letters, digits and hyphens, no hyphen at either end. */
const HOST_NAME = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A URL parser takes a host that ends in a number for an IPv4 address; no top-level domain is a number. */
const ENDS_IN_NUMBER = /\.(?:[0-9]+|0x[0-9a-f]*)$/;

/** ASCII that a domain cannot have; `domainToASCII` would strip, decode or cut at some of it. */
const FOREIGN_ASCII = /[\0-,/:-@[-`{-\x7f]/;

/** Why a text is not an address. Logs and dead letters quote it, so it contains no part of the address. */
export type AddressProblem =
  | 'is empty'
  | 'is too long'
  | 'has no @'
  | 'has more than one @'
  | 'has an empty local part'
  | 'has a placeholder as its local part'
  | 'has white space or control characters in its local part'
  | 'has a local part that is not ASCII'
  | 'has mail-header syntax in its local part'
  | 'has an impossible domain';

export type NormalisedAddress =
  | { ok: true; address: Address }
  | {
      ok: false;
      problem: AddressProblem;
      /**
       * An earlier version accepted this address, so it may be stored. If it is, refusals at it count, and nothing
       * else.
       */
      perhapsStored?: Address;
    };

/**
 * Normalises an address: trimmed, lower-case, the domain in ASCII (punycode, UTS 46). Plus-tags and dots are kept,
 * because to most providers they are different mailboxes. Idempotent.
 */
export function normaliseAddress(raw: string): NormalisedAddress {
  const typed = raw.trim();
  if (typed === '') return refused('is empty');

  const at = typed.indexOf('@');
  // Before the check for an @, because a placeholder may have no domain.
  if (PLACEHOLDERS.has((at < 0 ? typed : typed.slice(0, at)).toLowerCase())) {
    return refused('has a placeholder as its local part');
  }
  if (typed.length > MAX_TYPED_LENGTH) return refused('is too long');
  if (at < 0) return refused('has no @');
  if (typed.includes('@', at + 1)) return refused('has more than one @');
  if (at === 0) return refused('has an empty local part');

  // Before lower-casing, which turns some other characters into ASCII (the Kelvin sign becomes k).
  const local = typed.slice(0, at);
  if (!PRINTABLE_ASCII.test(local)) {
    return refused(
      ANY_NON_ASCII.test(local)
        ? 'has a local part that is not ASCII'
        : 'has white space or control characters in its local part',
    );
  }

  const domain = asciiDomain(typed.slice(at + 1));
  if (domain === undefined) return refused('has an impossible domain');

  const key = `${local.toLowerCase()}@${domain}`;
  if (key.length > MAX_ADDRESS_LENGTH) return refused('is too long');
  const address = { key, typed };
  if (HEADER_SYNTAX.test(local)) {
    return { ok: false, problem: 'has mail-header syntax in its local part', perhapsStored: address };
  }
  return { ok: true, address };
}

/** The key under which a text may be stored as an address, even if the address would be refused today. */
export function storedKeyOf(typed: string): string | undefined {
  const normalised = normaliseAddress(typed);
  return (normalised.ok ? normalised.address : normalised.perhapsStored)?.key;
}

/** The domain in lower-case ASCII; undefined if it is impossible. */
function asciiDomain(typed: string): string | undefined {
  if (FOREIGN_ASCII.test(typed)) return undefined;
  const domain = ANY_NON_ASCII.test(typed) ? domainToASCII(typed) : typed.toLowerCase();
  if (domain.length > MAX_DOMAIN_LENGTH || !HOST_NAME.test(domain) || ENDS_IN_NUMBER.test(domain)) return undefined;
  // Invalid punycode decodes to nothing, or to a domain with another spelling.
  if (domain.includes('xn--') && domainToASCII(domain) !== domain) return undefined;
  return domain;
}

function refused(problem: AddressProblem): NormalisedAddress {
  return { ok: false, problem };
}
