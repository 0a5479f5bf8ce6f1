-- When the version of a contact last rose. Contacts from before have null until they change. Two statements: a default that
-- comes with the column would date them all with the migration.
ALTER TABLE "contact" ADD COLUMN "updated_at" TIMESTAMPTZ(3);
ALTER TABLE "contact" ALTER COLUMN "updated_at" SET DEFAULT CURRENT_TIMESTAMP;
