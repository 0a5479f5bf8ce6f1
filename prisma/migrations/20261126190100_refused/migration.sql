-- What a set refuses, as JSON. It has a key of its own in place of a newsletter's name: what it refuses, hashed. Rows from
-- before are no sets, so they need no check, which would read the whole table under a lock.
ALTER TABLE "choice" ADD COLUMN "refused" TEXT COLLATE "C";
ALTER TABLE "choice" ADD CONSTRAINT "choice_set_refuses" CHECK (("act" = 'set') = ("refused" IS NOT NULL)) NOT VALID;
ALTER TABLE "choice" ADD CONSTRAINT "choice_set_key" CHECK (("act" = 'set') = starts_with("newsletter", ' set ')) NOT VALID;
-- An older program would not see these refusals, and its purge would delete those of deleted accounts.
UPDATE "schema_compatibility" SET "oldest_program" = 3;
