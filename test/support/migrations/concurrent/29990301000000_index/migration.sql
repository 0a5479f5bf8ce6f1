-- An index that is built while others write.
CREATE INDEX CONCURRENTLY "contact_created_at_idx" ON "contact"("created_at");
