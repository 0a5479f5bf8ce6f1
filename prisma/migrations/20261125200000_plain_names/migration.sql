-- One name for one thing: a claim has a status, and a claim that decides who owns an address is active.
ALTER TYPE "standing" RENAME TO "claim_status";
ALTER TYPE "claim_status" RENAME VALUE 'counted' TO 'active';
ALTER TABLE "address_claim" RENAME COLUMN "standing" TO "status";
