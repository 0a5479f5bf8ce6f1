/** Who is in the database before a run: everything follows from a number, here and in the SQL that fills it. */
import { createHash } from 'node:crypto';

/** Facts that fill the database are of these milliseconds; those of a run come later. */
export const FILLED_AT = Date.UTC(2024, 0, 1);
export const RUN_AT = Date.UTC(2024, 5, 1);

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** The hash in front lets each address land anywhere in an index, as those of real people do. */
export const addressOf = (i: number): string => `${md5(`${i}`).slice(0, 8)}.${i}@d${i % 100}.test`;
export const uidOf = (i: number): string => md5(`account ${i}`);
export const filledContactOf = (i: number): string => `01900000-0000-7000-8000-${i.toString(16).padStart(12, '0')}`;

/** The same in SQL, of a column `i`. */
export const SQL = {
  address: `substr(md5(i::text), 1, 8) || '.' || i || '@d' || (i % 100) || '.test'`,
  uid: `md5('account ' || i)`,
  contact: `('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid`,
  token: `md5('token ' || i)::uuid`,
} as const;
