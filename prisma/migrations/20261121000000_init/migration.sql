-- Tables as Prisma derives them from schema.prisma. By hand: byte order (COLLATE "C") for keys, so that the database sorts
-- them as the workers do, foreign keys checked at commit, because a batch writes addresses first (they are its locks) and
-- their contacts last, and at the end what Prisma has no words for.
-- No semicolon in comments here: the WebAssembly engine ends a statement at each.

-- CreateEnum
CREATE TYPE "contact_state" AS ENUM ('live', 'merged', 'closed', 'erased');

-- CreateEnum
CREATE TYPE "token_state" AS ENUM ('live', 'retired');

-- CreateEnum
CREATE TYPE "standing" AS ENUM ('counted', 'held', 'blocked');

-- CreateEnum
CREATE TYPE "origin_kind" AS ENUM ('address', 'account');

-- CreateEnum
CREATE TYPE "act" AS ENUM ('subscribe', 'unsubscribe', 'confirm', 'opt_out');

-- CreateEnum
CREATE TYPE "token_policy" AS ENUM ('address', 'account');

-- CreateTable
CREATE TABLE "email_address" (
    "address" TEXT COLLATE "C" NOT NULL,
    "typed" TEXT NOT NULL,
    "typed_at" TIMESTAMPTZ(3) NOT NULL,
    "first_name" TEXT,
    "first_name_at" TIMESTAMPTZ(3),
    "last_name" TEXT,
    "last_name_at" TIMESTAMPTZ(3),
    "country" TEXT,
    "country_at" TIMESTAMPTZ(3),
    "lang" TEXT,
    "lang_at" TIMESTAMPTZ(3),
    "format" TEXT,
    "format_at" TIMESTAMPTZ(3),
    "contact_id" UUID NOT NULL,
    "contact_state" "contact_state" NOT NULL DEFAULT 'live',

    CONSTRAINT "email_address_pkey" PRIMARY KEY ("address")
);

-- CreateTable
CREATE TABLE "account" (
    "uid" TEXT COLLATE "C" NOT NULL,
    "deleted_at" TIMESTAMPTZ(3),
    "locale" TEXT,
    "locale_at" TIMESTAMPTZ(3),
    "country" TEXT,
    "country_at" TIMESTAMPTZ(3),
    "service" TEXT,
    "service_at" TIMESTAMPTZ(3),
    "contact_id" UUID,
    "contact_state" "contact_state" NOT NULL DEFAULT 'live',

    CONSTRAINT "account_pkey" PRIMARY KEY ("uid")
);

-- CreateTable
CREATE TABLE "address_claim" (
    "address" TEXT COLLATE "C" NOT NULL,
    "uid" TEXT COLLATE "C" NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "standing" "standing" NOT NULL DEFAULT 'counted',
    "event" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,

    CONSTRAINT "address_claim_pkey" PRIMARY KEY ("address","uid","at")
);

-- CreateTable
CREATE TABLE "choice" (
    "origin_kind" "origin_kind" NOT NULL,
    "origin" TEXT COLLATE "C" NOT NULL,
    "newsletter" TEXT COLLATE "C" NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "act" "act" NOT NULL,
    "proven" BOOLEAN NOT NULL,
    "source" TEXT,
    "lang" TEXT,
    "format" TEXT,
    "reason" TEXT,

    CONSTRAINT "choice_pkey" PRIMARY KEY ("origin","origin_kind","newsletter","at")
);

-- CreateTable
CREATE TABLE "contact" (
    "id" UUID NOT NULL,
    "state" "contact_state" NOT NULL DEFAULT 'live',
    "merged_into" UUID,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "contact_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "basket_token" (
    "token" UUID NOT NULL,
    "contact_id" UUID NOT NULL,
    "state" "token_state" NOT NULL DEFAULT 'live',
    "retired_by" UUID,

    CONSTRAINT "basket_token_pkey" PRIMARY KEY ("token")
);

-- CreateTable
CREATE TABLE "merge" (
    "id" UUID NOT NULL,
    "merged_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "survivor_id" UUID NOT NULL,
    "retired_id" UUID NOT NULL,
    "uid" TEXT COLLATE "C" NOT NULL,
    "reason" TEXT NOT NULL,
    "trigger_source" TEXT NOT NULL,
    "trigger_event" TEXT NOT NULL,
    "trigger_id" TEXT NOT NULL,
    "trigger_at" TIMESTAMPTZ(3) NOT NULL,
    "addresses" TEXT[],
    "token_policy" "token_policy" NOT NULL,
    "token_reason" TEXT NOT NULL,
    "token_kept" UUID,
    "token_retired" UUID,
    "announced" BOOLEAN NOT NULL,
    "undone_at" TIMESTAMPTZ(3),

    CONSTRAINT "merge_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "claim_block" (
    "uid" TEXT COLLATE "C" NOT NULL,
    "address" TEXT COLLATE "C" NOT NULL,
    "merge_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "claim_block_pkey" PRIMARY KEY ("uid","address")
);

-- CreateTable
CREATE TABLE "erasure" (
    "hash" BYTEA NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "erasure_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "outbox" (
    "seq" BIGSERIAL NOT NULL,
    "message_id" UUID NOT NULL,
    "contact_id" UUID NOT NULL,
    "type" TEXT NOT NULL,
    "body" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("seq")
);

-- CreateIndex
CREATE INDEX "email_address_contact_id_idx" ON "email_address"("contact_id");

-- CreateIndex
CREATE UNIQUE INDEX "account_contact_id_key" ON "account"("contact_id");

-- CreateIndex
CREATE INDEX "address_claim_uid_address_idx" ON "address_claim"("uid", "address");

-- CreateIndex
CREATE UNIQUE INDEX "contact_id_state_key" ON "contact"("id", "state");

-- CreateIndex
CREATE INDEX "merge_survivor_id_idx" ON "merge"("survivor_id");

-- CreateIndex
CREATE INDEX "merge_retired_id_idx" ON "merge"("retired_id");

-- CreateIndex
CREATE INDEX "claim_block_merge_id_idx" ON "claim_block"("merge_id");

-- CreateIndex
CREATE UNIQUE INDEX "outbox_message_id_key" ON "outbox"("message_id");

-- AddForeignKey
ALTER TABLE "email_address" ADD CONSTRAINT "email_address_contact_id_contact_state_fkey" FOREIGN KEY ("contact_id", "contact_state") REFERENCES "contact"("id", "state") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "account" ADD CONSTRAINT "account_contact_id_contact_state_fkey" FOREIGN KEY ("contact_id", "contact_state") REFERENCES "contact"("id", "state") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "contact" ADD CONSTRAINT "contact_merged_into_fkey" FOREIGN KEY ("merged_into") REFERENCES "contact"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "basket_token" ADD CONSTRAINT "basket_token_contact_id_fkey" FOREIGN KEY ("contact_id") REFERENCES "contact"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "basket_token" ADD CONSTRAINT "basket_token_retired_by_fkey" FOREIGN KEY ("retired_by") REFERENCES "merge"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "merge" ADD CONSTRAINT "merge_survivor_id_fkey" FOREIGN KEY ("survivor_id") REFERENCES "contact"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "merge" ADD CONSTRAINT "merge_retired_id_fkey" FOREIGN KEY ("retired_id") REFERENCES "contact"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "claim_block" ADD CONSTRAINT "claim_block_merge_id_fkey" FOREIGN KEY ("merge_id") REFERENCES "merge"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- An address and a live account hang on a live contact, always.
ALTER TABLE "email_address" ADD CONSTRAINT "email_address_on_live_contact" CHECK ("contact_state" = 'live');
ALTER TABLE "account" ADD CONSTRAINT "account_on_live_contact" CHECK ("contact_state" = 'live');
ALTER TABLE "account" ADD CONSTRAINT "account_live_has_contact" CHECK ("deleted_at" IS NOT NULL OR "contact_id" IS NOT NULL);

-- Merged if and only if merged into another.
ALTER TABLE "contact" ADD CONSTRAINT "contact_merged_into_another" CHECK (("state" = 'merged') = ("merged_into" IS NOT NULL) AND "merged_into" IS DISTINCT FROM "id");
CREATE INDEX "contact_merged_into_idx" ON "contact"("merged_into") WHERE "merged_into" IS NOT NULL;

-- One live token for a contact, and only a retired token was retired by a merge.
CREATE UNIQUE INDEX "basket_token_one_live" ON "basket_token"("contact_id") WHERE "state" = 'live';
CREATE INDEX "basket_token_retired_idx" ON "basket_token"("contact_id") WHERE "state" = 'retired';
ALTER TABLE "basket_token" ADD CONSTRAINT "basket_token_retired_by_merge" CHECK ("state" = 'retired' OR "retired_by" IS NULL);

-- Acts about all email, and only they, name no newsletter.
ALTER TABLE "choice" ADD CONSTRAINT "choice_about_all_email" CHECK (("newsletter" = '') = ("act" IN ('confirm', 'opt_out')));

-- What is listed for people: claims that wait for a decision, live accounts without an address.
CREATE INDEX "address_claim_held_idx" ON "address_claim"("address") WHERE "standing" = 'held';
