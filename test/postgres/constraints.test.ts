/** Enforced uniqueness: what the database itself forbids, whatever the code does. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freshDatabase, type TestDatabase } from '../support/database';

const [LIVE, OTHER, MERGED] = [1, 2, 3].map((n) => `00000000-0000-7000-8000-00000000000${n}`);
const [TOKEN, TOKEN2] = [8, 9].map((n) => `00000000-0000-4000-8000-00000000000${n}`);

describe('the database forbids', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await freshDatabase();
    await database.sql(`
      INSERT INTO contact (id, state, merged_into) VALUES ('${LIVE}', 'live', NULL), ('${OTHER}', 'live', NULL), ('${MERGED}', 'merged', '${LIVE}');
      INSERT INTO email_address (address, typed, typed_at, contact_id) VALUES ('a@x.test', 'a@x.test', now(), '${LIVE}');
      INSERT INTO account (uid, contact_id) VALUES ('u1', '${LIVE}');
      INSERT INTO basket_token (token, contact_id) VALUES ('${TOKEN}', '${LIVE}')`);
  });
  afterAll(() => database?.drop());

  it.each([
    [
      'an address on two contacts',
      `INSERT INTO email_address (address, typed, typed_at, contact_id) VALUES ('a@x.test', 'A@x.test', now(), '${OTHER}')`,
      'email_address_pkey',
    ],
    [
      'an address on a contact that is not live',
      `UPDATE email_address SET contact_id = '${MERGED}'`,
      'email_address_contact_id_contact_state_fkey',
    ],
    [
      'merging a contact that still has an address',
      `UPDATE contact SET state = 'merged', merged_into = '${OTHER}' WHERE id = '${LIVE}'`,
      '_contact_state_fkey',
    ],
    ['an address without a contact', `UPDATE email_address SET contact_id = NULL`, 'null value'],
    ['an account on two contacts', `INSERT INTO account (uid, contact_id) VALUES ('u1', '${OTHER}')`, 'account_pkey'],
    [
      'two accounts on one contact',
      `INSERT INTO account (uid, contact_id) VALUES ('u2', '${LIVE}')`,
      'account_contact_id_key',
    ],
    ['a live account without a contact', `UPDATE account SET contact_id = NULL`, 'account_live_has_contact'],
    [
      'two live tokens on one contact',
      `INSERT INTO basket_token (token, contact_id) VALUES ('${TOKEN2}', '${LIVE}')`,
      'basket_token_one_live',
    ],
    [
      'a token that is issued twice',
      `INSERT INTO basket_token (token, contact_id, state) VALUES ('${TOKEN}', '${OTHER}', 'retired')`,
      'basket_token_pkey',
    ],
    [
      'a merged contact that was merged into none',
      `UPDATE contact SET merged_into = NULL WHERE id = '${MERGED}'`,
      'contact_merged_into_another',
    ],
    [
      'a live contact that was merged into another',
      `UPDATE contact SET merged_into = '${LIVE}' WHERE id = '${OTHER}'`,
      'contact_merged_into_another',
    ],
    [
      'an opt-out of one newsletter',
      `INSERT INTO choice (origin_kind, origin, newsletter, at, act, proven) VALUES ('address', 'a@x.test', 'x', now(), 'opt_out', false)`,
      'choice_about_all_email',
    ],
  ])('%s', async (_, statement, constraint) => {
    await expect(database.sql(statement)).rejects.toThrow(constraint);
  });
});
