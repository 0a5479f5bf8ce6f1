-- The audit of one operator page by page.
CREATE INDEX IF NOT EXISTS "audit_operator_at_seq_idx" ON "audit"("operator", "at", "seq");
