import type { TestDatabase } from '../support/database';

/** From now on, each look-up that finds an address fails, with the address in the server's message. */
export async function failLookUps({ sql }: TestDatabase): Promise<void> {
  await sql('ALTER TABLE email_address RENAME TO stored_address');
  await sql('CREATE VIEW email_address AS SELECT * FROM stored_address WHERE address::int > 0');
}
