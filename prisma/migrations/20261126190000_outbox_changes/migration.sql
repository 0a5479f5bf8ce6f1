-- Contacts that changed, for contact.changed: one row for all contacts of a batch that changed in the same parts. A row of the
-- outbox for each of them took half of the throughput. Both tables number their rows together, so that the messages of one
-- contact have an order.
CREATE TABLE "outbox_changes" (
    "seq" BIGINT NOT NULL DEFAULT nextval('outbox_seq_seq'),
    "parts" TEXT[],
    "contact_ids" UUID[],
    "versions" INTEGER[],
    "message_ids" UUID[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "outbox_changes_pkey" PRIMARY KEY ("seq")
);
-- Random bits: compressing them would only take time.
ALTER TABLE "outbox_changes" ALTER COLUMN "contact_ids" SET STORAGE EXTERNAL, ALTER COLUMN "message_ids" SET STORAGE EXTERNAL;
