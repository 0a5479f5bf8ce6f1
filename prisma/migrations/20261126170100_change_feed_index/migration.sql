-- The order of the change feed. A migration of its own, so that look-ups go on while a large table is indexed.
CREATE INDEX IF NOT EXISTS "contact_changed_in_id_idx" ON "contact"("changed_in", "id");
