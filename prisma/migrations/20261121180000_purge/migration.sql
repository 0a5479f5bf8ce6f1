-- Merges that a deletion completed are few, and a purge asks for them with every page of addresses. Prisma has no words for
-- an index with a condition, so schema.prisma does not name it.
CREATE INDEX "merge_by_deletion_idx" ON "merge"("uid") WHERE "reason" = 'deletion';
