-- A later release removes the column. Programs below schema number 99 use it, and must not run any more.
UPDATE "schema_compatibility" SET "oldest_program" = 99;
ALTER TABLE "contact" DROP COLUMN "nickname";
