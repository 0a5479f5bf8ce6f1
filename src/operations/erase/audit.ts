/** Makes the audit forget an erased person: hashes replace the person's names. */
import type { Transaction } from '../../postgres/database';
import { type AuditDetails, auditCandidates, rewriteAuditEntry } from '../../postgres/tables/audit';
import { erasureHash } from '../../postgres/tables/erasure';
import { erasedName } from '../erased-name';
import { mentionsOf, type Names, wordsOf } from '../mentions';

/** The id of an event can be a hash of its content. */
const EVENT_ID = 'trigger_event_id';

/**
 * Replaces the addresses, accounts and tokens of an erased person. In entries about this person it also replaces the reasons
 * that operators wrote.
 *
 * @param ids the ids of the person's contacts and merges: they stay, but show that an entry is about the person.
 */
export async function eraseFromAudit(
  tx: Transaction,
  { ids, ...names }: Required<Names> & { ids: readonly string[] },
  erasureKey: string,
): Promise<void> {
  const isNamedIn = mentionsOf(names);
  const isAboutPerson = mentionsOf({ ...names, tokens: [...names.tokens, ...ids] });
  const hashOf = (text: string): string => {
    const isAddress = names.addresses.includes(text);
    const kind = isAddress ? 'address' : names.uids.includes(text) ? 'account' : 'text';
    return erasedName(erasureHash(erasureKey, { kind, key: text }));
  };
  const hashNames = (text: string): string => (isNamedIn(text) ? hashOf(text) : text);
  const forget = (key: string, value: unknown): unknown => {
    if (typeof value !== 'string') return value;
    return key === EVENT_ID ? hashOf(value) : hashNames(value);
  };
  // JSON.parse calls its reviver with every value, at any depth.
  const forgetAll = <T extends AuditDetails | null>(details: T): T => JSON.parse(JSON.stringify(details, forget));

  for (const entry of await auditCandidates(tx, [...wordsOf(names), ...ids])) {
    const { operator, target, reason, result } = entry;
    if (!isAboutPerson(JSON.stringify({ operator, target, reason, result }))) continue;
    await rewriteAuditEntry(tx, {
      seq: entry.seq,
      operator: hashNames(operator),
      target: forgetAll(target),
      reason: reason === null ? null : hashOf(reason),
      result: forgetAll(result),
    });
  }
}
