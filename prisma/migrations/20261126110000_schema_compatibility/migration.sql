-- The oldest program that can run on this schema, by its schema number (src/postgres/migrations/require-schema.ts). A
-- migration that removes or renames something raises it, and so do others that older programs cannot live with.

-- CreateTable
CREATE TABLE "schema_compatibility" (
    "only" BOOLEAN NOT NULL DEFAULT true,
    "oldest_program" INTEGER NOT NULL,

    CONSTRAINT "schema_compatibility_pkey" PRIMARY KEY ("only"),
    CONSTRAINT "schema_compatibility_only_check" CHECK ("only")
);

INSERT INTO "schema_compatibility" ("oldest_program") VALUES (1);
