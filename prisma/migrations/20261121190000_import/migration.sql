-- How far imports have come that were interrupted, so that they go on from there.

-- CreateTable
CREATE TABLE "import_progress" (
    "source" TEXT COLLATE "C" NOT NULL,
    "lines" BIGINT NOT NULL,
    "written_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "import_progress_pkey" PRIMARY KEY ("source")
);
