/**
 * Translates a record as CTMS exports it into facts. Pure: the same record always gives the same facts, so that importing
 * it again changes nothing.
 */
import { type NormalisedAddress, normaliseAddress } from '../../contacts/facts/address';
import { type Address, type Profile, TIME_UNKNOWN, type Time } from '../../contacts/facts/event';
import { type Choice, isRefusal } from '../../contacts/facts/facts';
import { asLanguage, languageOf } from '../../contacts/facts/language';
import { asUuid } from '../../contacts/facts/lookup-key';
import { readTime } from '../../foundation/times';
import { isJsonObject, type JsonObject, shapeProblems } from '../../messages/incoming/decoded';
import {
  countryOf,
  formatOf,
  MAX_NAME,
  MAX_REASON,
  MAX_SERVICE,
  MAX_SOURCE,
  tidy,
  timeProblem,
} from '../../messages/incoming/fields';
import { canonicalFields } from '../../messages/incoming/waitlist-fields';
import { type Ctms, CtmsRecord, type Entry, groupsNotTaken, uidIn, withoutUnfit } from './ctms-record';
import {
  ACCOUNT_ADDRESS_CLAIM,
  AT_FIRST_IMPORT,
  type ImportedAccount,
  type ImportRecord,
  OWN_ADDRESS_CLAIM,
} from './record';

export interface Unreadable {
  reason: 'not_json' | 'invalid_shape' | 'invalid_address';
  /** Each problem names a field and what is wrong with it, never a value. */
  problems: string[];
}

/**
 * A field that cannot be used is reported in the record's problems, and everything else is read: a refusal must not be lost
 * because of a detail.
 *
 * @param json a parsed line
 * @param now milliseconds since 1970; no time in the record may be more than a day later
 */
export function readRecord(json: unknown, now: Time): ImportRecord | Unreadable {
  let { data, error } = CtmsRecord.safeParse(json);
  const problems = error ? shapeProblems(error) : [];
  if (error) {
    const fitting = withoutUnfit(json, error);
    data = fitting ? CtmsRecord.safeParse(fitting).data : undefined;
  }
  if (data === undefined) return { reason: 'invalid_shape', problems };
  const normalised = normaliseAddress(data.email.primary_email);
  const reading: Reading = { now, report: (problem) => problems.push(problem) };
  if (!normalised.ok) {
    problems.unshift(`email.primary_email: ${normalised.problem}`);
    const { perhapsStored } = normalised;
    const refusals = perhapsStored ? refusalsOf(translate(data, perhapsStored, reading)) : null;
    return refusals ? { ...refusals, problems } : { reason: 'invalid_address', problems };
  }
  const record = translate(data, normalised.address, reading);
  const notTaken = isJsonObject(json) ? groupsNotTaken(json) : [];
  if (problems.length > 0) record.problems = problems;
  if (notTaken.length > 0) record.notTaken = notTaken;
  return record;
}

/** The part of a record that counts if its address would be refused today but is stored; null if nothing does. */
function refusalsOf(record: ImportRecord): ImportRecord | null {
  const choices = record.choices.filter(isRefusal);
  return choices.length === 0 ? null : { ...record, onlyIfStored: true, profile: {}, account: null, choices };
}

export const isUnreadable = (read: ImportRecord | Unreadable): read is Unreadable => 'reason' in read;

interface Reading {
  now: Time;
  /** Called with the name of a field and what is wrong with it. */
  report(problem: string): void;
}

function translate(
  { email, fxa, newsletters, waitlists }: Ctms,
  address: Address,
  { now, report }: Reading,
): ImportRecord {
  const created = timeOf(email.create_timestamp, 'email.create_timestamp');
  const updated = timeOf(email.update_timestamp, 'email.update_timestamp');
  const createdAt = created ?? updated ?? TIME_UNKNOWN;
  const at = Math.max(createdAt, updated ?? createdAt);
  // The refusal was made by the time of the last write. A time that is too early could lose it; a later time cannot.
  const refusedAt = updated === undefined ? AT_FIRST_IMPORT : at;
  const uid = fxa?.fxa_id ? uidIn(fxa.fxa_id) : undefined;
  return {
    id: asUuid(email.email_id) as string,
    token: email.basket_token ? (asUuid(email.basket_token) as string) : null,
    createdAt,
    at,
    address,
    profile: profileOf(email),
    account: fxa && uid !== undefined ? accountOf(uid, fxa) : null,
    choices: [
      ...aboutAllEmail(),
      ...(newsletters ?? []).flatMap((entry, i) => (entry ? choiceOf(entry, `newsletters.${i}`, entry.name) : [])),
      ...(waitlists ?? []).flatMap((entry, i) => (entry ? choiceOf(entry, `waitlists.${i}`, slugOf(entry.name)) : [])),
    ],
  };

  /** A time that cannot be used is treated as absent. */
  function timeOf(text: string | null | undefined, field: string): Time | undefined {
    if (text === null || text === undefined || text === '') return undefined;
    const read = readTime(text);
    const problem = read === undefined ? 'is not a time in ISO 8601' : timeProblem(read, now, TIME_UNKNOWN);
    if (problem === undefined) return read;
    report(`${field}: ${problem}`);
    return undefined;
  }

  /**
   * The record does not say when these choices were made. A confirmation counts from the creation of the contact: it must not
   * lift an opt-out that may have been later.
   */
  function aboutAllEmail(): Choice[] {
    const choices: Choice[] = [];
    if (email.double_opt_in) choices.push(choice('', created ?? TIME_UNKNOWN, 'confirm', { proven: true }));
    if (email.has_opted_out_of_email) {
      choices.push(choice('', refusedAt, 'opt_out', { reason: textOf(email.unsubscribe_reason, MAX_REASON) }));
    }
    return choices;
  }

  /** A newsletter or waitlist has one state, as of its last write. It is unproven: it must not lift an opt-out. */
  function choiceOf(entry: Entry, field: string, newsletter: string): Choice {
    const { subscribed } = entry;
    const writtenAt = timeOf(entry.update_timestamp, `${field}.update_timestamp`);
    const madeAt = (): Time => timeOf(entry.create_timestamp, `${field}.create_timestamp`) ?? TIME_UNKNOWN;
    const chosenAt = writtenAt ?? (subscribed ? madeAt() : refusedAt);
    const [lang, format] = 'fields' in entry ? [null, null] : [entry.lang, entry.format];
    return choice(newsletter, chosenAt, subscribed ? 'subscribe' : 'unsubscribe', {
      source: textOf(entry.source, MAX_SOURCE),
      lang: (lang && asLanguage(lang.trim())) || null,
      format: (format && formatOf(format)) || null,
      reason: subscribed ? null : textOf(entry.unsub_reason, MAX_REASON),
      fields: 'fields' in entry ? canonicalFields(entry.fields as JsonObject | null) : null,
    });
  }

  /** Uses no spreads, which took most of the time of reading a record. */
  function choice(
    newsletter: string,
    chosenAt: Time,
    act: Choice['act'],
    { proven = false, source = null, lang = null, format = null, reason = null, fields = null }: Partial<Choice>,
  ): Choice {
    const origin = { kind: 'address' as const, key: address.key };
    return { origin, newsletter, at: chosenAt, act, proven, source, lang, format, reason, fields };
  }

  /**
   * The account claims the record's address at the account's creation, and the account's own address at the last write.
   * The second claim is always later, because the account's own address is the one in use.
   */
  function accountOf(uid: string, group: NonNullable<Ctms['fxa']>): ImportedAccount {
    const madeAt = timeOf(group.created_date, 'fxa.created_date') ?? createdAt;
    const writtenAt = Math.max(at, madeAt);
    const claims = [{ address, at: madeAt, event: OWN_ADDRESS_CLAIM }];
    const own = ownAddressOf(group);
    if (own) {
      const isOther = own.key !== address.key;
      const claimedAt = isOther && writtenAt === madeAt ? madeAt + 1 : writtenAt;
      claims.push({ address: own, at: claimedAt, event: isOther ? ACCOUNT_ADDRESS_CLAIM : OWN_ADDRESS_CLAIM });
    }
    const service = textOf(group.first_service, MAX_SERVICE);
    return {
      uid,
      at: madeAt,
      claims: claims.length === 2 && claims[0]?.at === claims[1]?.at ? claims.slice(1) : claims,
      ...(group.lang && languageOf(group.lang) && { locale: group.lang }),
      ...(service !== null && { service }),
      ...(group.account_deleted && { deletedAt: Math.max(refusedAt, ...claims.map((claim) => claim.at)) }),
    };
  }

  function ownAddressOf({ primary_email }: NonNullable<Ctms['fxa']>): Address | undefined {
    if (!primary_email?.trim()) return undefined;
    if (primary_email === email.primary_email) return address;
    const normalised: NormalisedAddress = normaliseAddress(primary_email);
    if (normalised.ok) return normalised.address;
    report(`fxa.primary_email: ${normalised.problem}`);
    return undefined;
  }
}

/** The name by which sites and mails know a waitlist: CTMS leaves its end out, and has another name for one of them. */
function slugOf(waitlist: string): string {
  if (waitlist === 'vpn') return 'guardian-vpn-waitlist';
  return waitlist.endsWith('-waitlist') ? waitlist : `${waitlist}-waitlist`;
}

/** An absent or empty field contributes nothing: a record does not show that a field was cleared. */
function profileOf(email: Ctms['email']): Profile {
  const values = {
    firstName: textOf(email.first_name, MAX_NAME),
    lastName: textOf(email.last_name, MAX_NAME),
    country: email.mailing_country && countryOf(email.mailing_country),
    lang: email.email_lang && asLanguage(email.email_lang.trim()),
    format: email.email_format && formatOf(email.email_format),
  } satisfies Record<keyof Profile, unknown>;
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}

const textOf = (text: string | null | undefined, max: number): string | null => (text && tidy(text, max)) || null;
