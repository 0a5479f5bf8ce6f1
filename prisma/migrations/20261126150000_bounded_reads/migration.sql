-- Each of these indexes keeps a statement from reading a whole table, or all that an account or a contact has ever had.
-- In a large database, build them before by hand with CREATE INDEX CONCURRENTLY (docs/releases.md).

-- The ledger page by page: the merges of a contact, of an account on either side, and those that were undone.
CREATE INDEX IF NOT EXISTS "merge_survivor_id_seq_idx" ON "merge"("survivor_id", "seq");
CREATE INDEX IF NOT EXISTS "merge_uid_seq_idx" ON "merge"("uid", "seq");
CREATE INDEX IF NOT EXISTS "merge_claimant_seq_idx" ON "merge"("claimant", "seq") WHERE "claimant" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "merge_undone_idx" ON "merge"("seq") WHERE "undone_at" IS NOT NULL;
-- Every look at an account asks for its undone merges, however many merges it has.
CREATE INDEX IF NOT EXISTS "merge_undone_uid_idx" ON "merge"("uid") WHERE "undone_at" IS NOT NULL;

-- Held claims page by page, of all accounts and of one.
CREATE INDEX IF NOT EXISTS "address_claim_held_pair_idx" ON "address_claim"("address", "uid") WHERE "status" = 'held';
CREATE INDEX IF NOT EXISTS "address_claim_held_claimant_idx" ON "address_claim"("uid", "address") WHERE "status" = 'held';

-- An erasure deletes merges, whose foreign keys are checked then, and the blocks on its addresses.
CREATE INDEX IF NOT EXISTS "basket_token_retired_by_idx" ON "basket_token"("retired_by") WHERE "retired_by" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "claim_block_address_idx" ON "claim_block"("address");

-- The audit page by page, and whether a file was imported since a time.
CREATE INDEX IF NOT EXISTS "audit_at_seq_idx" ON "audit"("at", "seq");
CREATE INDEX IF NOT EXISTS "audit_command_at_idx" ON "audit"("command", "at");
