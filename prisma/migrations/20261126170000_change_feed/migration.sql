-- The change feed reads contacts in the order of the transactions that changed them last. Contacts from before have 0 and
-- come first. Two statements: the default of the first is stored once for all of them, so the table is not rewritten.
ALTER TABLE "contact" ADD COLUMN "changed_in" xid8 NOT NULL DEFAULT '0';
ALTER TABLE "contact" ALTER COLUMN "changed_in" SET DEFAULT pg_current_xact_id();

-- A trigger, so that programs of the release before keep the feed complete, and so does a statement by hand.
CREATE FUNCTION "contact_changed"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_in := pg_current_xact_id();
  RETURN NEW;
END
$$;
CREATE TRIGGER "contact_changed" BEFORE UPDATE ON "contact" FOR EACH ROW
  WHEN ((OLD.version, OLD.state, OLD.merged_into) IS DISTINCT FROM (NEW.version, NEW.state, NEW.merged_into))
  EXECUTE FUNCTION "contact_changed"();

-- One row: the epoch of the feed's cursors. Renewed after a restore, when transaction ids may be given out again.
CREATE TABLE "feed_epoch" (
    "only" BOOLEAN NOT NULL DEFAULT true,
    "epoch" UUID NOT NULL DEFAULT gen_random_uuid(),
    "renewed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "feed_epoch_pkey" PRIMARY KEY ("only"),
    CONSTRAINT "feed_epoch_only_check" CHECK ("only")
);

INSERT INTO "feed_epoch" DEFAULT VALUES;
