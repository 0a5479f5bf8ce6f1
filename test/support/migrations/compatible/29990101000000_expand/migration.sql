-- A release adds a column. Programs that do not know it go on.
ALTER TABLE "contact" ADD COLUMN "nickname" TEXT;
