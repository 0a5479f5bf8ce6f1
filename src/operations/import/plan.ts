/**
 * Importing contacts: (state, records) -> changes, by the same rules as events, with two exceptions. A new record keeps
 * its id and its token. Nothing is merged: a claim that would take an address from a contact is held, whichever
 * came first.
 */
import { ChangeRecorder, type ChangeSet, type WorkingSet } from '../../contacts/change-recorder';
import type { DeletionEvent } from '../../contacts/facts/event';
import type { Claim } from '../../contacts/facts/facts';
import { addressFacts } from '../../contacts/facts/record';
import type { Contact } from '../../contacts/identity/contact-index';
import { isLive, primaryOf } from '../../contacts/identity/ownership';
import { reconcileClaim, takesAddress } from '../../contacts/merge/reconcile';
import {
  ACCOUNT_ADDRESS_CLAIM,
  type ImportConflict,
  type ImportedAccount,
  type ImportedClaim,
  type ImportRecord,
} from './record';

/** The stored contacts with ids, tokens, addresses or accounts of the records; for a merged contact, its survivor. */
export interface Known {
  /** The live contact of each stored id; null if it has ended. */
  ids: ReadonlyMap<string, string | null>;
  tokens: ReadonlyMap<string, string | null>;
  addresses: ReadonlyMap<string, string>;
}

export type Admission = 'new' | 'known' | ImportConflict;

export interface ImportPlan {
  changes: ChangeSet;
  /** One admission for each record. */
  admissions: Admission[];
  /**
   * How many contacts now have a primary address other than their record's own, because their account claims it. Minus those
   * that lost it again, because the record that owns the address came.
   */
  readdressed: number;
  /**
   * Deletions of accounts that were stored before. They are applied as events, because they may move addresses, and merge or
   * close contacts.
   */
  deletions: DeletionEvent[];
}

/**
 * Finds the records of a batch that cannot be imported at all, because another contact has their id or token, before
 * anything is inserted for them. Of several records of the batch with the same id or token, the first one gets it.
 */
export function findConflicts(
  records: readonly ImportRecord[],
  { ids, tokens, addresses }: Known,
): (ImportConflict | null)[] {
  const seen = { ids: new Map<string, string>(), tokens: new Map<string, string>() };
  return records.map(({ id, token, address: { key }, onlyIfStored }) => {
    if (onlyIfStored) return addresses.has(key) ? null : 'invalid_address';
    const contact = ids.get(id);
    if (contact !== undefined && (contact === null || contact !== addresses.get(key))) return 'email_id_taken';
    if ((seen.ids.get(id) ?? key) !== key) return 'email_id_taken';
    if (token !== null) {
      if (tokens.has(token) && (contact === undefined || tokens.get(token) !== contact)) return 'basket_token_taken';
      if ((seen.tokens.get(token) ?? id) !== id) return 'basket_token_taken';
      seen.tokens.set(token, id);
    }
    seen.ids.set(id, key);
    return null;
  });
}

/** @param records those without a conflict in {@link findConflicts} */
export function planImport(
  state: WorkingSet,
  records: readonly ImportRecord[],
  known: Pick<Known, 'ids' | 'tokens'>,
): ImportPlan {
  const { facts, contactIndex } = state;
  const recorder = new ChangeRecorder(state);
  const deletions: DeletionEvent[] = [];
  const elsewhere: Claim[] = [];
  let givenBack = 0;
  const context = recorder.reconcileContext({
    tokenPolicy: 'address',
    mergeId: () => {
      throw new Error('an import merges nothing');
    },
  });
  const admissions = records.map((record): Admission => {
    if (record.onlyIfStored) {
      recorder.addChoices(record.choices);
      return 'refusals_only';
    }
    const admission = placeRecord(record);
    recorder.addAddress(addressFacts(record.address, record.at, record.profile));
    recorder.addChoices(record.choices);
    if (record.account) addAccount(record.account, record.id);
    return admission;
  });
  const readdressed = elsewhere.filter(isPrimary).length - givenBack;
  return { changes: recorder.changes({ emailChanges: [], reviews: [] }), admissions, readdressed, deletions };

  function placeRecord({ id, token, createdAt, address: { key } }: ImportRecord): Admission {
    const contact = contactIndex.ofAddress(key);
    const before = contactIndex.contacts.get(known.ids.get(id) ?? id);
    if (contact && contact === before) {
      return token !== null && !known.tokens.has(token) && contact.token?.id !== token ? 'token_changed' : 'known';
    }
    if (contact && !separate(contact, key)) return 'address_taken';
    contactIndex.place(key, contactIndex.open(id, { token: token ?? undefined, createdAt }));
    return 'new';
  }

  /**
   * Frees an address for the record that owns it, if a contact has it only because imported accounts claim it.
   * These claims are held from now on, as if this record had come first.
   */
  function separate(contact: Contact, address: string): boolean {
    const claims = facts.claimsOn(address).filter(({ status }) => status === 'active');
    const account = contactIndex.accountOf(contact);
    if (claims.length === 0 || claims.some(({ event }) => event !== ACCOUNT_ADDRESS_CLAIM)) return false;
    // The contact must not be left with nothing.
    if (!isLive(facts, account) && contactIndex.addressesOf(contact).length === 1) return false;
    for (const uid of new Set(claims.map((claim) => claim.uid))) {
      const held = facts.setClaimStatus(uid, address, 'held', ({ status }) => status === 'active');
      // Claims of this batch are written with their final status anyway.
      const stored = held.filter((claim) => !recorder.claims.includes(claim));
      if (stored.length > 0) givenBack += 1;
      recorder.recordStatusChanges(stored);
    }
    return true;
  }

  function addAccount({ uid, at, locale, service, claims, deletedAt }: ImportedAccount, recordId: string): void {
    recorder.addAccount({
      uid,
      ...(locale !== undefined && { locale: { value: locale, at } }),
      ...(service !== undefined && { service: { value: service, at } }),
    });
    for (const claim of claims) addClaim(uid, claim, recordId);
    // A new account's deletion was inserted with its row, before all claims.
    if (deletedAt !== undefined && !(deletedAt >= (facts.deletedAt(uid) ?? Number.POSITIVE_INFINITY))) {
      const trigger = { source: 'fxa' as const, event: 'import.account_deleted', id: recordId };
      deletions.push({ kind: 'deletion', trigger, at: deletedAt, uid });
    }
  }

  function addClaim(uid: string, { address, at, event }: ImportedClaim, recordId: string): void {
    recorder.addAddress(addressFacts(address, at));
    const incoming: Claim = { address: address.key, uid, at, status: 'active', event, eventId: recordId };
    if (!facts.addClaim(incoming)) return;
    const claim = facts.claim(incoming) as Claim;
    if (takesAddress(context, claim)) facts.setClaimStatus(uid, address.key, 'held', (other) => other === claim);
    reconcileClaim(context, { uid, address: address.key, at, trigger: { source: 'fxa', event, id: recordId } });
    recorder.recordClaim(claim);
    if (event === ACCOUNT_ADDRESS_CLAIM) elsewhere.push(claim);
  }

  function isPrimary({ status, uid, address }: Claim): boolean {
    return status === 'active' && primaryOf(facts, uid) === address;
  }
}
