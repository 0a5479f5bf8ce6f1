/**
 * Moving contacts in: (state, records) -> changes, by the rules of events, but for two things. A new record keeps its id
 * and its token. And nothing is merged: a claim that would take an address from a contact is held, whatever came first.
 */
import { ChangeRecorder, type ChangeSet, type WorkingSet } from '../../contacts/change-recorder';
import type { DeletionEvent } from '../../contacts/facts/event';
import type { Claim } from '../../contacts/facts/facts';
import { addressFacts } from '../../contacts/facts/record';
import type { Contact } from '../../contacts/identity/contact-index';
import { isLive } from '../../contacts/identity/ownership';
import { reconcileClaim, takesAddress } from '../../contacts/merge/reconcile';
import {
  ACCOUNT_ADDRESS_CLAIM,
  type ImportConflict,
  type ImportedAccount,
  type ImportedClaim,
  type ImportRecord,
} from './record';

/** What is stored under the names that records use; a contact that was merged stands for the one it was merged into. */
export interface Known {
  /** The live contact of each id; null when it is gone. */
  ids: ReadonlyMap<string, string | null>;
  tokens: ReadonlyMap<string, string | null>;
  addresses: ReadonlyMap<string, string>;
}

export type Admission = 'new' | 'known' | ImportConflict;

export interface ImportPlan {
  changes: ChangeSet;
  /** One for each record. */
  admissions: Admission[];
  /** Of accounts that were known before: to be applied as events, for they may move, merge and close. */
  deletions: DeletionEvent[];
}

/** Whether nothing of a record is taken. */
export const isRefused = (admission: Admission): boolean =>
  admission === 'email_id_taken' || admission === 'basket_token_taken';

/**
 * Which records of a batch cannot be taken at all, because their id or token is another's: found out before anything is
 * inserted for them. The first of a batch that has an id or a token has it.
 */
export function findConflicts(
  records: readonly ImportRecord[],
  { ids, tokens, addresses }: Known,
): (ImportConflict | null)[] {
  const seen = { ids: new Map<string, string>(), tokens: new Map<string, string>() };
  return records.map(({ id, token, address: { key } }) => {
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

/** @param records those that were not refused by {@link findConflicts} */
export function planImport(
  state: WorkingSet,
  records: readonly ImportRecord[],
  known: Pick<Known, 'ids' | 'tokens'>,
): ImportPlan {
  const { facts, contactIndex } = state;
  const recorder = new ChangeRecorder(state);
  const deletions: DeletionEvent[] = [];
  const world = recorder.reconcileContext({
    tokenPolicy: 'address',
    mergeId: () => {
      throw new Error('an import merges nothing');
    },
  });
  const admissions = records.map((record) => {
    const admission = placeRecord(record);
    recorder.addAddress(addressFacts(record.address, record.at, record.profile));
    recorder.addChoices(record.choices);
    if (record.account) takeAccount(record.account, record.id);
    return admission;
  });
  return { changes: recorder.changes({ emailChanges: [], reviews: [] }), admissions, deletions };

  function placeRecord({ id, token, createdAt, address: { key } }: ImportRecord): Admission {
    const here = contactIndex.ofAddress(key);
    const before = contactIndex.contacts.get(known.ids.get(id) ?? id);
    if (here && here === before) {
      return token !== null && !known.tokens.has(token) && here.token?.id !== token ? 'token_changed' : 'known';
    }
    if (here && !separate(here, key)) return 'address_taken';
    contactIndex.place(key, contactIndex.open(id, { token: token ?? undefined, createdAt }));
    return 'new';
  }

  /**
   * An address that is on a contact only because imported accounts claim it: here is the record whose own it is. The
   * claims are held from now on, as if this record had come first.
   */
  function separate(contact: Contact, address: string): boolean {
    const claims = facts.claimsOn(address).filter(({ status }) => status === 'active');
    const account = contactIndex.accountOf(contact);
    if (claims.length === 0 || claims.some(({ event }) => event !== ACCOUNT_ADDRESS_CLAIM)) return false;
    // It must not be left with nothing.
    if (!isLive(facts, account) && contactIndex.addressesOf(contact).length === 1) return false;
    for (const uid of new Set(claims.map((claim) => claim.uid))) {
      const held = facts.setClaimStatus(uid, address, 'held', ({ status }) => status === 'active');
      // Those of this batch are written with the status that they have in the end.
      recorder.recordStatusChanges(held.filter((claim) => !recorder.claims.includes(claim)));
    }
    return true;
  }

  function takeAccount({ uid, at, locale, service, claims, deletedAt }: ImportedAccount, recordId: string): void {
    recorder.addAccount({
      uid,
      ...(locale !== undefined && { locale: { value: locale, at } }),
      ...(service !== undefined && { service: { value: service, at } }),
    });
    for (const claim of claims) takeClaim(uid, claim, recordId);
    // That of an account which is new was learned with its row, before all claims.
    if (deletedAt !== undefined && !(deletedAt >= (facts.deletedAt(uid) ?? Number.POSITIVE_INFINITY))) {
      const trigger = { source: 'fxa' as const, event: 'import.account_deleted', id: recordId };
      deletions.push({ kind: 'deletion', trigger, at: deletedAt, uid });
    }
  }

  function takeClaim(uid: string, { address, at, event }: ImportedClaim, recordId: string): void {
    recorder.addAddress(addressFacts(address, at));
    const incoming: Claim = { address: address.key, uid, at, status: 'active', event, eventId: recordId };
    if (!facts.addClaim(incoming)) return;
    const claim = facts.claim(incoming) as Claim;
    if (takesAddress(world, claim)) facts.setClaimStatus(uid, address.key, 'held', (other) => other === claim);
    reconcileClaim(world, { uid, address: address.key, at, trigger: { source: 'fxa', event, id: recordId } });
    recorder.recordClaim(claim);
  }
}
