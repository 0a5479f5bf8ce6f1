-- A message is published with the schema version that it was written in. Rows from before this column are version 1.
ALTER TABLE "outbox" ADD COLUMN "schema_version" INTEGER NOT NULL DEFAULT 1;
