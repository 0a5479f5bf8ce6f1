-- When the account was created, as an event or an import says. Null where none has said it.
ALTER TABLE "account" ADD COLUMN "created_at" TIMESTAMPTZ(3);
