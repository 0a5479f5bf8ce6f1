-- Waitlists bring fields, a resumed import keeps its counts, and undated refusals count from the first import.

-- AlterTable
ALTER TABLE "choice" ADD COLUMN "fields" TEXT COLLATE "C";

-- AlterTable
ALTER TABLE "import_progress" ADD COLUMN "counts" JSON;

-- CreateTable
CREATE TABLE "first_import" (
    "record_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "first_import_pkey" PRIMARY KEY ("record_id")
);
