/**
 * Writes synthetic contacts in the format of CTMS exports, to try an import:
 * `node tools/run.mjs script tools/make-records.ts COUNT [SEED] [COLLIDING] > FILE`.
 *
 * The same arguments give the same file. Half of the contacts have an account; one in COLLIDING (40) accounts has another
 * contact's address (the defect), and as many have an address that no contact has.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';

const LANGUAGES = ['en', 'de', 'fr', 'es', 'pt-br', 'pl'];
const COUNTRIES = ['us', 'de', 'fr', 'es', 'br', 'pl'];
const BEGIN = Date.UTC(2015, 0, 1);
const SPAN = Date.UTC(2026, 0, 1) - BEGIN;

/** 32 hexadecimal digits that depend only on the arguments. */
const digits = (...parts: (string | number)[]): string =>
  createHash('sha256').update(parts.join(' ')).digest('hex').slice(0, 32);

const uuid = (...parts: (string | number)[]): string => {
  const hex = digits(...parts);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
};

function recordOf(i: number, seed: string, colliding: number) {
  const dice = Buffer.from(digits(seed, 'dice', i), 'hex');
  const die = (n: number): number => dice[n] as number;
  const time = (share: number): string => new Date(BEGIN + Math.floor(SPAN * share)).toISOString();
  const created = (dice.readUInt32BE(0) / 2 ** 32) * 0.8;
  const updated = created + (1 - created) * (die(4) / 256);
  const address = (n: number): string => `Reader.${n}@mail${n % 50}.test`;
  const hasAccount = i % 2 === 0;
  const other =
    i % (2 * colliding) === 0 ? address(i + 1) : i % (2 * colliding) === 2 ? `new.${address(i)}` : address(i);
  const newsletters = Array.from({ length: die(5) % 4 }, (_, n) => ({
    name: `newsletter-${(die(6) + 7 * n) % 60}`,
    subscribed: die(7 + n) % 5 > 0,
    format: 'H',
    lang: LANGUAGES[die(10) % 6],
    source: 'https://site.test/newsletter/',
    unsub_reason: null,
    create_timestamp: time(created),
    update_timestamp: time((created + updated) / 2),
  }));
  return {
    email: {
      email_id: uuid(seed, 'contact', i),
      primary_email: address(i),
      basket_token: uuid(seed, 'token', i),
      first_name: die(11) % 3 === 0 ? `First${i}` : null,
      last_name: die(11) % 3 === 0 ? `Last${i}` : '',
      mailing_country: COUNTRIES[die(10) % 6],
      email_format: 'H',
      email_lang: LANGUAGES[die(10) % 6],
      double_opt_in: die(12) % 2 === 0,
      has_opted_out_of_email: die(13) % 20 === 0,
      unsubscribe_reason: null,
      create_timestamp: time(created),
      update_timestamp: time(updated),
    },
    fxa: hasAccount
      ? {
          fxa_id: digits(seed, 'account', i),
          primary_email: other,
          created_date: time(created),
          lang: 'en-US,en;q=0.5',
          first_service: 'sync',
          account_deleted: die(14) % 30 === 0,
        }
      : null,
    newsletters,
    waitlists: [],
  };
}

async function main([count = '', seed = 'records', colliding = '40']: string[]): Promise<void> {
  if (!/^[1-9]\d*$/.test(count)) throw new Error('usage: make-records.ts COUNT [SEED] [COLLIDING]');
  for (let i = 0; i < Number(count); i++) {
    if (!process.stdout.write(`${JSON.stringify(recordOf(i, seed, Number(colliding)))}\n`))
      await once(process.stdout, 'drain');
  }
}

void main(process.argv.slice(2));
