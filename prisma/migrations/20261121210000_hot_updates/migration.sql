-- Room in each page for the next version of a row of it: nearly every event rewrites an address, an account or a contact
-- without changing an indexed column. With room, the new version stays on the page (HOT) and no index is written.
-- In tables that are there it holds for new pages. The others get room as their rows are rewritten.
ALTER TABLE "email_address" SET (fillfactor = 85);
ALTER TABLE "account" SET (fillfactor = 85);
ALTER TABLE "contact" SET (fillfactor = 85);
