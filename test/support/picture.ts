/** Everything that is stored, with names in place of random ids, so that two databases can be compared. */
import { canonicalLine } from '../../src/contacts/profile/canonical';
import { exportContacts } from '../../src/operations/export/store';
import type { TestDatabase } from './database';

interface ContactRow {
  id: string;
  state: string;
  merged_into: string | null;
  addresses: string[];
  uid: string | null;
  tokens: string[];
}

interface MergeRow {
  id: string;
  survivor_id: string;
  retired_id: string;
}

/**
 * @param names of ids seen in earlier pictures of the same database; those of new ids are added
 * @param round goes into the names of new contacts
 */
export async function pictureOf({ db, sql }: TestDatabase, names: Map<string, string>, round: number) {
  const contacts = await sql<ContactRow>(`
    SELECT id, state, merged_into, (SELECT max(uid) FROM account WHERE contact_id = c.id) AS uid,
      ARRAY (SELECT address FROM email_address WHERE contact_id = c.id ORDER BY address) AS addresses,
      ARRAY (SELECT token::text FROM basket_token WHERE contact_id = c.id ORDER BY token) AS tokens
    FROM contact c`);
  const merges = await sql<MergeRow>('SELECT id, survivor_id, retired_id FROM merge ORDER BY seq');
  const name = (id: string, text: string): void => {
    if (!names.has(id)) names.set(id, text);
  };
  for (const { id, addresses, uid, state } of contacts)
    if (state === 'live') name(id, `contact ${addresses} ${uid} of round ${round}`);
  for (const [place, { id, survivor_id, retired_id }] of merges.entries()) {
    name(id, `merge ${place}`);
    name(survivor_id, `survivor of merge ${place}`);
    name(retired_id, `retired in merge ${place}`);
  }
  for (const { id, tokens } of contacts) {
    for (const token of tokens) name(token, `token of round ${round}: ${names.get(id)}`);
  }
  const rows = async (query: string): Promise<string[]> =>
    (await sql<{ row: unknown }>(`SELECT to_jsonb(picture) AS row FROM (${query}) AS picture`)).map(({ row }) =>
      named(JSON.stringify(row)),
    );
  const named = (text: string): string =>
    text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => names.get(id) ?? 'an unknown id');
  const views: string[] = [];
  await exportContacts(db, (page) => {
    for (const { view } of page) views.push(canonicalLine(view));
  });
  return {
    views: views.sort(),
    contacts: contacts.map(({ tokens, ...contact }) => named(JSON.stringify(contact))).sort(),
    tokens: (await rows('SELECT token, contact_id, state, retired_by FROM basket_token')).sort(),
    claims: await rows('SELECT address, uid, at, status, event FROM address_claim ORDER BY address, uid, at'),
    choices: await rows('SELECT * FROM choice ORDER BY origin, origin_kind, newsletter, at'),
    accounts: await rows('SELECT * FROM account ORDER BY uid'),
    addresses: await rows('SELECT * FROM email_address ORDER BY address'),
    blocks: await rows('SELECT uid, address, merge_id, since FROM claim_block ORDER BY uid, address'),
    merges: (await rows(`SELECT ${MERGE} FROM merge`)).sort(),
    outbox: (
      await rows(`
        SELECT contact_id, type, regexp_replace(body::text, '"(version|merged_at|changed_at|needed_at|closed_at|deleted_at|undone_at)":("[^"]*"|\\d+),?', '', 'g') AS body
        FROM outbox`)
    ).sort(),
  };
}

const MERGE = `id, survivor_id, retired_id, uid, claimant, reason, trigger_event, trigger_id, trigger_at, addresses, token_reason,
  token_side, token_kept, token_retired, announced, explanation, undone_at`;
