-- A later release removes the column. Programs below schema number 3 use it, and must not run any more.
UPDATE "schema_compatibility" SET "oldest_program" = 3;
ALTER TABLE "contact" DROP COLUMN "nickname";
