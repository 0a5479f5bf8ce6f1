/**
 * What the merge, the undo and the erasure do with every column of the database. A test reads the catalog and fails for a
 * column that is not in here, and for one that is gone: whoever adds one says what becomes of it, and sees to it.
 */

/** Of a merge and an undo: what becomes of the row of a contact that is retired, or lives again. */
export interface Fate {
  merge: 'stays' | 'moves' | 'ends' | 'written';
  undo: 'stays' | 'moves back' | 'lives again' | 'written';
  /** `renamed`: deleted, but written again without a name where something of others hangs on it. */
  erasure: 'deleted' | 'renamed' | 'blanked' | 'stays' | 'written';
}

/** A fact: it is found by the claims, and never moves. */
const fact: Fate = { merge: 'stays', undo: 'stays', erasure: 'deleted' };
/** Which contact something hangs on. */
const place: Fate = { merge: 'moves', undo: 'moves back', erasure: 'deleted' };
/** What others' periods are made of, and others' choices at an address that was theirs. */
const shared: Fate = { merge: 'stays', undo: 'stays', erasure: 'renamed' };
/** Written by the merge. Of merges of others it loses what names the erased. */
const ledger: Fate = { merge: 'written', undo: 'stays', erasure: 'renamed' };
const block: Fate = { merge: 'stays', undo: 'written', erasure: 'deleted' };
const message: Fate = { merge: 'written', undo: 'written', erasure: 'deleted' };
/** Of no person. */
const aside: Fate = { merge: 'stays', undo: 'stays', erasure: 'stays' };
const hash: Fate = { merge: 'stays', undo: 'stays', erasure: 'written' };

export const DATA_INVENTORY: Readonly<Record<string, Readonly<Record<string, Fate>>>> = {
  email_address: {
    address: fact,
    typed: fact,
    typed_at: fact,
    first_name: fact,
    first_name_at: fact,
    last_name: fact,
    last_name_at: fact,
    country: fact,
    country_at: fact,
    lang: fact,
    lang_at: fact,
    format: fact,
    format_at: fact,
    contact_id: place,
    contact_state: fact,
  },
  account: {
    uid: shared,
    deleted_at: shared,
    locale: fact,
    locale_at: fact,
    country: fact,
    country_at: fact,
    service: fact,
    service_at: fact,
    contact_id: place,
    contact_state: fact,
  },
  address_claim: {
    address: shared,
    uid: shared,
    at: shared,
    status: { ...shared, undo: 'written' },
    event: shared,
    event_id: { ...shared, erasure: 'blanked' },
  },
  choice: {
    origin_kind: shared,
    origin: shared,
    newsletter: shared,
    at: shared,
    act: shared,
    proven: shared,
    source: fact,
    lang: fact,
    format: fact,
    reason: fact,
  },
  contact: {
    id: { merge: 'stays', undo: 'stays', erasure: 'stays' },
    state: { merge: 'ends', undo: 'lives again', erasure: 'written' },
    merged_into: { merge: 'written', undo: 'written', erasure: 'blanked' },
    version: { merge: 'written', undo: 'written', erasure: 'blanked' },
    created_at: { merge: 'stays', undo: 'stays', erasure: 'blanked' },
  },
  basket_token: {
    token: { merge: 'stays', undo: 'stays', erasure: 'deleted' },
    contact_id: place,
    state: { merge: 'ends', undo: 'lives again', erasure: 'deleted' },
    retired_by: { merge: 'written', undo: 'written', erasure: 'deleted' },
  },
  merge: {
    id: ledger,
    seq: ledger,
    merged_at: ledger,
    survivor_id: ledger,
    retired_id: ledger,
    uid: ledger,
    claimant: ledger,
    reason: ledger,
    trigger_source: ledger,
    trigger_event: ledger,
    trigger_id: { ...ledger, erasure: 'blanked' },
    trigger_at: ledger,
    addresses: ledger,
    token_policy: ledger,
    token_reason: ledger,
    token_side: ledger,
    token_kept: ledger,
    token_retired: ledger,
    announced: ledger,
    explanation: { ...ledger, erasure: 'blanked' },
    undone_at: { ...ledger, undo: 'written' },
  },
  claim_block: { uid: block, address: block, merge_id: block, at: block, since: block },
  erasure: { hash, at: hash },
  outbox: {
    seq: message,
    message_id: message,
    contact_id: message,
    type: message,
    body: message,
    created_at: message,
    traceparent: message,
    tracestate: message,
  },
  import_progress: { source: aside, lines: aside, written_at: aside },
};
