/** The shape of a record as CTMS exports it, and what can still be read of a record that does not fit. */
import { z } from 'zod';
import { asUid, asUuid } from '../../contacts/facts/lookup-key';
import { isJsonObject, type JsonObject } from '../../messages/incoming/decoded';
import { NewsletterName, Text } from '../../messages/incoming/fields';
import { isWaitlistFields, WAITLIST_FIELDS_BOUNDS } from '../../messages/incoming/waitlist-fields';

/** An account's uid in CTMS, which may have the domain that the account service once added. */
export const uidIn = (text: string): string | undefined => asUid(text.trim().replace(/@\S*$/, ''));

const Timestamps = { create_timestamp: z.string().nullish(), update_timestamp: z.string().nullish() };

const Name = z.string().trim().pipe(NewsletterName);

const Newsletter = z.object({
  name: Name,
  subscribed: z.boolean(),
  format: z.string().nullish(),
  lang: z.string().nullish(),
  source: Text.nullish(),
  unsub_reason: Text.nullish(),
  ...Timestamps,
});

const Waitlist = z.object({
  name: Name,
  subscribed: z.boolean(),
  source: Text.nullish(),
  unsub_reason: Text.nullish(),
  fields: z.unknown().refine(isWaitlistFields, WAITLIST_FIELDS_BOUNDS),
  ...Timestamps,
});

/** Unknown fields are ignored. A dropped entry of a list is null. */
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
    ...Timestamps,
  }),
  fxa: z
    .object({
      fxa_id: z
        .string()
        .refine((id) => id.trim() === '' || uidIn(id) !== undefined, 'must be 32 hexadecimal digits, or a uuid')
        .nullish(),
      primary_email: z.string().nullish(),
      created_date: z.string().nullish(),
      lang: Text.nullish(),
      first_service: Text.nullish(),
      account_deleted: z.boolean().nullish(),
    })
    .nullish(),
  newsletters: z.array(Newsletter.nullable()).nullish(),
  waitlists: z.array(Waitlist.nullable()).nullish(),
});

export type Ctms = z.infer<typeof CtmsRecord>;
export type Entry = NonNullable<NonNullable<Ctms['newsletters'] | Ctms['waitlists']>[number]>;

/** Without these fields nothing in a record can be understood. */
const IDENTITY = ['email_id', 'primary_email'];
/** Without these fields a newsletter or a waitlist says nothing. */
const CHOICE = ['name', 'subscribed'];

/** A copy of a record without the fields that do not fit the schema; null if nothing can be understood without them. */
export function withoutUnfit(json: unknown, { issues }: z.ZodError): JsonObject | null {
  if (!isJsonObject(json)) return null;
  const record: Record<string, unknown> = { ...json };
  const copied = new Set<unknown>();
  /** The copy of a group, list or entry, which replaces it in its parent. */
  const copyIn = (parent: Record<string, unknown>, key: string): Record<string, unknown> => {
    if (!copied.has(parent[key])) {
      const value = parent[key] as object;
      parent[key] = Array.isArray(value) ? [...value] : { ...value };
      copied.add(parent[key]);
    }
    return parent[key] as Record<string, unknown>;
  };
  for (const { path } of issues) {
    const [group, place, field] = path.map(String);
    if (group === undefined || (group === 'email' && (place === undefined || IDENTITY.includes(place)))) return null;
    if (place === undefined) record[group] = null;
    else if (group === 'email' || group === 'fxa') copyIn(record, group)[place] = null;
    else {
      const list = copyIn(record, group);
      if (field === undefined || CHOICE.includes(field)) list[place] = null;
      else if (list[place] !== null) copyIn(list, place)[field] = null;
    }
  }
  return record;
}

/** The groups of a contact that an import leaves out. */
const GROUPS_NOT_TAKEN = ['amo', 'mofo', 'products'];
const OLD_WAITLISTS = ['relay_waitlist', 'vpn_waitlist'];

/** The groups with content that an import leaves out. */
export function groupsNotTaken(json: JsonObject): string[] {
  // Newer exports have both forms of a waitlist.
  const groups = Array.isArray(json.waitlists) ? GROUPS_NOT_TAKEN : [...GROUPS_NOT_TAKEN, ...OLD_WAITLISTS];
  return groups.filter((group) => hasContent(json[group]));
}

/** Whether a group has any content: CTMS exports groups that were never filled in, too. */
function hasContent(group: unknown): boolean {
  if (Array.isArray(group)) return group.length > 0;
  if (!isJsonObject(group)) return Boolean(group);
  return Object.values(group).some((value) => (Array.isArray(value) ? value.length > 0 : Boolean(value)));
}
