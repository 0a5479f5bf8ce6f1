-- How far the service has come with compaction: one row, shared by all processes. One of them at a time holds it.
CREATE TABLE "compaction" (
    "only" BOOLEAN NOT NULL DEFAULT true,
    "pass" INTEGER NOT NULL DEFAULT 0,
    "holder" UUID,
    "held_until" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "compaction_pkey" PRIMARY KEY ("only"),
    CONSTRAINT "compaction_only_check" CHECK ("only")
);

INSERT INTO "compaction" DEFAULT VALUES;

-- By default a table is vacuumed once a fifth of it has changed and analysed after a tenth. In a table of a hundred million
-- rows that is after twenty million dead ones: its indexes have grown by then, and one vacuum takes hours. A fiftieth keeps
-- each vacuum short. Inserts count as well: index-only scans need the visibility map, and freezing is done in small parts.
ALTER TABLE "address_claim" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE "choice" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE "email_address" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE "account" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE "contact" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE "basket_token" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE "merge" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
-- Nearly empty, with every row inserted and soon deleted: the relay reads past the dead ones until they are vacuumed. After
-- an outage it may be large for a while, and a share of that would be too late.
ALTER TABLE "outbox" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
