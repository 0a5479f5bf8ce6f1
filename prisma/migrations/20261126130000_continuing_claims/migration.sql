-- A continuing claim follows another claim of the same account on its address, so it begins no ownership period. Nearly all
-- claims are continuing (logins). The others are in small indexes, so that no event reads a history of logins. A claim that
-- was stored before counts as the beginning of a period, which is slower and never wrong.
ALTER TABLE "address_claim" ADD COLUMN "continues" BOOLEAN NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS "address_claim_beginning_idx" ON "address_claim"("address", "at", "uid") WHERE NOT "continues";
CREATE INDEX IF NOT EXISTS "address_claim_claimant_idx" ON "address_claim"("uid", "address") WHERE NOT "continues";
CREATE INDEX IF NOT EXISTS "address_claim_inactive_idx" ON "address_claim"("address") WHERE "status" <> 'active';
-- The undone merges of an account on either side, and at an address: few, and views depend on them.
CREATE INDEX IF NOT EXISTS "merge_undone_claimant_idx" ON "merge"("claimant") WHERE "undone_at" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "merge_undone_addresses_idx" ON "merge" USING gin ("addresses" COLLATE "C") WHERE "undone_at" IS NOT NULL;
