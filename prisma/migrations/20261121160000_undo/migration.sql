-- What an undo needs to know of a merge, and an explanation for people.

-- CreateEnum
CREATE TYPE "side" AS ENUM ('survivor', 'retired');

-- AlterTable
ALTER TABLE "merge" ADD COLUMN "seq" BIGSERIAL NOT NULL,
ADD COLUMN "claimant" TEXT COLLATE "C",
ADD COLUMN "token_side" "side" NOT NULL DEFAULT 'survivor',
ADD COLUMN "explanation" JSON;

-- Merges that are older than this column: the side whose token was retired is the one that the token is stored with.
UPDATE "merge" m SET "token_side" = 'retired' FROM "basket_token" t WHERE t."token" = m."token_retired" AND t."contact_id" = m."survivor_id";

-- AlterTable
ALTER TABLE "claim_block" ADD COLUMN "since" TIMESTAMPTZ(3);

-- CreateIndex
CREATE UNIQUE INDEX "merge_seq_key" ON "merge"("seq");

-- CreateIndex
CREATE INDEX "merge_uid_idx" ON "merge"("uid");
