/**
 * What a merge, an undo and an erasure do with every column of the database. A test compares it with the catalog: a new
 * column must be added here with its treatment, and its treatment implemented.
 */

/** How a merge and an undo treat the rows of the retired or revived contact, and an erasure those of the person. */
export interface Fate {
  merge: 'stays' | 'moves' | 'ends' | 'written';
  undo: 'stays' | 'moves back' | 'lives again' | 'written';
  /** `renamed`: deleted, but written again under a pseudonym where other people's data refer to it. */
  erasure: 'deleted' | 'renamed' | 'blanked' | 'stays' | 'written';
}

/** Facts never move: claims lead to them. */
const fact: Fate = { merge: 'stays', undo: 'stays', erasure: 'deleted' };
/** The contact of an address, account or token. */
const place: Fate = { merge: 'moves', undo: 'moves back', erasure: 'deleted' };
/** Facts that delimit other people's periods, and other people's choices at a former address of theirs. */
const shared: Fate = { merge: 'stays', undo: 'stays', erasure: 'renamed' };
/** Written by the merge. The merges of other people lose the names of the erased person. */
const ledger: Fate = { merge: 'written', undo: 'stays', erasure: 'renamed' };
const block: Fate = { merge: 'stays', undo: 'written', erasure: 'deleted' };
const message: Fate = { merge: 'written', undo: 'written', erasure: 'deleted' };
/** An id with a time. The contact's own goes with it; one that was taken leads to no person. */
const moment: Fate = { merge: 'stays', undo: 'stays', erasure: 'deleted' };
/** Not about a person. */
const impersonal: Fate = { merge: 'stays', undo: 'stays', erasure: 'stays' };
/** Names become keyed hashes, in the entries about the person also the free text. */
const entry: Fate = { merge: 'stays', undo: 'written', erasure: 'renamed' };
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
    created_at: fact,
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
    continues: fact,
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
    fields: fact,
    refused: shared,
  },
  contact: {
    id: { merge: 'stays', undo: 'stays', erasure: 'stays' },
    state: { merge: 'ends', undo: 'lives again', erasure: 'written' },
    merged_into: { merge: 'written', undo: 'written', erasure: 'blanked' },
    version: { merge: 'written', undo: 'written', erasure: 'blanked' },
    created_at: { merge: 'stays', undo: 'stays', erasure: 'blanked' },
    updated_at: { merge: 'written', undo: 'written', erasure: 'blanked' },
    changed_in: { merge: 'written', undo: 'written', erasure: 'written' },
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
    schema_version: message,
    body: message,
    created_at: message,
    traceparent: message,
    tracestate: message,
  },
  outbox_changes: {
    seq: message,
    parts: message,
    contact_ids: message,
    versions: message,
    message_ids: message,
    created_at: message,
  },
  import_progress: { source: impersonal, lines: impersonal, counts: impersonal, written_at: impersonal },
  first_import: { record_id: moment, at: moment },
  audit: {
    seq: impersonal,
    at: impersonal,
    operator: entry,
    command: impersonal,
    target: entry,
    reason: entry,
    result: entry,
  },
  compaction: {
    only: impersonal,
    pass: impersonal,
    holder: impersonal,
    held_until: impersonal,
    finished_at: impersonal,
  },
  feed_epoch: { only: impersonal, epoch: impersonal, renewed_at: impersonal },
  schema_compatibility: { only: impersonal, oldest_program: impersonal },
};
