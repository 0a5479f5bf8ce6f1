/**
 * Translates a record as CTMS exports it into facts. Pure: the same record always gives the same facts, so that importing
 * it again changes nothing.
 */
import { z } from 'zod';
import { type NormalisedAddress, normaliseAddress } from '../../contacts/facts/address';
import type { Address, Profile, Time } from '../../contacts/facts/event';
import type { Choice } from '../../contacts/facts/facts';
import { asLanguage, languageOf } from '../../contacts/facts/language';
import { asUuid } from '../../contacts/facts/lookup-key';
import { readTime } from '../../foundation/times';
import { shapeProblems } from '../../messages/incoming/decoded';
import { countryOf, cut, MAX_NEWSLETTERS, NewsletterName, Text, timeProblem } from '../../messages/incoming/fields';
import { ACCOUNT_ADDRESS_CLAIM, type ImportedAccount, type ImportRecord, OWN_ADDRESS_CLAIM } from './record';

const MAX_NAME = 255; // CTMS's own limit
const MAX_SERVICE = 255;
const MAX_SOURCE = 2_000;
const MAX_REASON = 1_000;

/** Records may be older than events: CTMS itself imported them. An earlier time is a placeholder (1970, 1900). */
const EARLIEST_RECORD: Time = Date.UTC(1995, 0, 1);

/** Unknown fields are ignored, for example waiting lists and the groups of other products. */
export const CtmsRecord = z.object({
  email: z.object({
    email_id: z.string().refine((id) => asUuid(id) !== undefined, 'must be a uuid'),
    primary_email: z.string(),
    basket_token: z
      .string()
      .refine((token) => token === '' || asUuid(token) !== undefined, 'must be a uuid')
      .nullish(),
    first_name: Text.nullish(),
    last_name: Text.nullish(),
    mailing_country: z.string().nullish(),
    email_format: z.string().nullish(),
    email_lang: z.string().nullish(),
    double_opt_in: z.boolean().nullish(),
    has_opted_out_of_email: z.boolean().nullish(),
    unsubscribe_reason: Text.nullish(),
    create_timestamp: z.string().nullish(),
    update_timestamp: z.string().nullish(),
  }),
  fxa: z
    .object({
      fxa_id: z
        .string()
        .regex(/^(?:[0-9a-f]{32}(?:@\S*)?)?$/i, 'must be 32 hexadecimal digits')
        .nullish(),
      primary_email: z.string().nullish(),
      created_date: z.string().nullish(),
      lang: Text.nullish(),
      first_service: Text.nullish(),
      account_deleted: z.boolean().nullish(),
    })
    .nullish(),
  newsletters: z
    .array(
      z.object({
        name: NewsletterName,
        subscribed: z.boolean(),
        format: z.string().nullish(),
        lang: z.string().nullish(),
        source: Text.nullish(),
        unsub_reason: Text.nullish(),
        create_timestamp: z.string().nullish(),
        update_timestamp: z.string().nullish(),
      }),
    )
    .max(MAX_NEWSLETTERS)
    .nullish(),
});

type Ctms = z.infer<typeof CtmsRecord>;
type Newsletter = NonNullable<Ctms['newsletters']>[number];

export interface Unreadable {
  reason: 'not_json' | 'invalid_shape' | 'invalid_address' | 'invalid_time';
  /** Each names a field and what is wrong with it, never a value. */
  problems: string[];
}

/** Ends the translation of a record. */
class Problem extends Error {
  constructor(
    readonly reason: Unreadable['reason'],
    problem: string,
  ) {
    super(problem);
  }
}

/**
 * @param json a parsed line
 * @param now milliseconds since 1970; no time in the record may be more than a day later
 */
export function readRecord(json: unknown, now: Time): ImportRecord | Unreadable {
  const { data, error } = CtmsRecord.safeParse(json);
  if (error) return { reason: 'invalid_shape', problems: shapeProblems(error) };
  try {
    return translate(data, now);
  } catch (error) {
    if (error instanceof Problem) return { reason: error.reason, problems: [error.message] };
    throw error;
  }
}

export const isUnreadable = (read: ImportRecord | Unreadable): read is Unreadable => 'reason' in read;

function translate({ email, fxa, newsletters }: Ctms, now: Time): ImportRecord {
  const timeOf = (text: string | null | undefined, field: string): Time | undefined => asTime(text, field, now);
  const created = timeOf(email.create_timestamp, 'email.create_timestamp');
  const updated = timeOf(email.update_timestamp, 'email.update_timestamp');
  if (created === undefined && updated === undefined) {
    throw new Problem('invalid_time', 'email.create_timestamp: is missing, and so is update_timestamp');
  }
  const createdAt = (created ?? updated) as Time;
  const at = Math.max(createdAt, updated ?? createdAt);
  const address = asAddress(email.primary_email, 'email.primary_email');
  return {
    id: asUuid(email.email_id) as string,
    token: email.basket_token ? (asUuid(email.basket_token) as string) : null,
    createdAt,
    at,
    address,
    profile: profileOf(email),
    account: fxa?.fxa_id ? accountOf(fxa.fxa_id, fxa) : null,
    choices: [...aboutAllEmail(), ...(newsletters ?? []).map(choiceOf)],
  };

  /**
   * The record does not say when these were made. An opt-out counts from the last write: it was made by then. A
   * confirmation counts from the creation: it must not lift an opt-out that may have been later.
   */
  function aboutAllEmail(): Choice[] {
    const details = { source: null, lang: null, format: null, reason: textOf(email.unsubscribe_reason, MAX_REASON) };
    const choices: Choice[] = [];
    if (email.double_opt_in) choices.push(choice('', createdAt, 'confirm', { ...details, reason: null, proven: true }));
    if (email.has_opted_out_of_email) choices.push(choice('', at, 'opt_out', details));
    return choices;
  }

  /** A newsletter has one state, as of its last write. It is unproven: it must not lift an opt-out. */
  function choiceOf(newsletter: Newsletter, index: number): Choice {
    const field = (name: string): string => `newsletters.${index}.${name}`;
    const chosenAt =
      timeOf(newsletter.update_timestamp, field('update_timestamp')) ??
      timeOf(newsletter.create_timestamp, field('create_timestamp')) ??
      at;
    const { name, subscribed, format, lang, source, unsub_reason } = newsletter;
    return choice(name, chosenAt, subscribed ? 'subscribe' : 'unsubscribe', {
      source: textOf(source, MAX_SOURCE),
      lang: (lang && asLanguage(lang)) || null,
      format: formatOf(format) ?? null,
      reason: subscribed ? null : textOf(unsub_reason, MAX_REASON),
    });
  }

  function choice(
    newsletter: string,
    chosenAt: Time,
    act: Choice['act'],
    more: Omit<Choice, 'origin' | 'newsletter' | 'at' | 'act' | 'proven'> & { proven?: boolean },
  ): Choice {
    const origin = { kind: 'address' as const, key: address.key };
    return { origin, newsletter, at: chosenAt, act, proven: false, ...more };
  }

  /**
   * The account claims the record's address at the account's creation, and the account's own address at the last write.
   * The second claim is always later, because the account's own address is the one in use.
   */
  function accountOf(id: string, group: NonNullable<Ctms['fxa']>): ImportedAccount {
    const uid = id.slice(0, 32).toLowerCase();
    const madeAt = timeOf(group.created_date, 'fxa.created_date') ?? createdAt;
    const writtenAt = Math.max(at, madeAt);
    const claims = [{ address, at: madeAt, event: OWN_ADDRESS_CLAIM }];
    if (group.primary_email?.trim()) {
      const isSame = group.primary_email === email.primary_email;
      const own = isSame ? address : asAddress(group.primary_email, 'fxa.primary_email');
      const isOther = own.key !== address.key;
      const claimedAt = isOther && writtenAt === madeAt ? madeAt + 1 : writtenAt;
      claims.push({ address: own, at: claimedAt, event: isOther ? ACCOUNT_ADDRESS_CLAIM : OWN_ADDRESS_CLAIM });
    }
    return {
      uid,
      at: madeAt,
      claims: claims.length === 2 && claims[0]?.at === claims[1]?.at ? claims.slice(1) : claims,
      ...(group.lang && languageOf(group.lang) && { locale: group.lang }),
      ...(group.first_service?.trim() && { service: cut(group.first_service, MAX_SERVICE) }),
      ...(group.account_deleted && { deletedAt: Math.max(...claims.map((claim) => claim.at)) }),
    };
  }
}

/** An absent or empty field contributes nothing: a record does not show that a field was cleared. */
function profileOf(email: Ctms['email']): Profile {
  const values = {
    firstName: textOf(email.first_name, MAX_NAME),
    lastName: textOf(email.last_name, MAX_NAME),
    country: email.mailing_country && countryOf(email.mailing_country),
    lang: email.email_lang && asLanguage(email.email_lang),
    format: formatOf(email.email_format),
  } satisfies Record<keyof Profile, unknown>;
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}

function formatOf(text: string | null | undefined): string | undefined {
  const format = text?.toUpperCase();
  return format === 'H' || format === 'T' ? format : undefined;
}

const textOf = (text: string | null | undefined, max: number): string | null => (text?.trim() ? cut(text, max) : null);

function asAddress(text: string, field: string): Address {
  const normalised: NormalisedAddress = normaliseAddress(text);
  if (!normalised.ok) throw new Problem('invalid_address', `${field}: ${normalised.problem}`);
  return normalised.address;
}

function asTime(text: string | null | undefined, field: string, now: Time): Time | undefined {
  if (text === null || text === undefined || text === '') return undefined;
  const at = readTime(text);
  const problem = at === undefined ? 'is no time in ISO 8601' : timeProblem(at, now, EARLIEST_RECORD);
  if (problem !== undefined) throw new Problem('invalid_time', `${field}: ${problem}`);
  return at;
}
