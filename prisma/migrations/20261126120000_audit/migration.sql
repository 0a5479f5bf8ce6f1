-- What operators changed: who, when, what and why. An erasure replaces the names of its person by keyed hashes.

-- CreateTable
CREATE TABLE "audit" (
    "seq" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "operator" TEXT COLLATE "C" NOT NULL,
    "command" TEXT COLLATE "C" NOT NULL,
    "target" JSON NOT NULL,
    "reason" TEXT COLLATE "C",
    "result" JSON,

    CONSTRAINT "audit_pkey" PRIMARY KEY ("seq")
);

-- CreateIndex
CREATE INDEX "audit_at_idx" ON "audit"("at");
