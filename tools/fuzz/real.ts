import type { Random } from '../random';

/** Messages as the account service and the sites send them, in all envelopes. */

export type Source = 'fxa' | 'newsletter';
export type Json = Record<string, unknown>;

/** Groups of three accounts share six addresses: enough for merges, swaps and lost claims, without long chains. */
const GROUPS = 25_000;
const UIDS = 3;
const ADDRESSES = 6;
const NEWSLETTERS = ['privacy-weekly', 'hacks', 'offers', 'a b', 'größe', '10'];
/** Few event times, so that facts repeat and times are equal. */
const MOMENTS = 400;
const FIRST_MOMENT = Date.UTC(2026, 0, 1) / 1_000;
const TYPES = 'https://schemas.accounts.firefox.com/event/';
const ACCOUNT_EVENTS = [
  'verified',
  'login',
  'primaryEmailChanged',
  'newsletters:update',
  'profileDataChange',
  'delete',
  'reset',
];

export function realMessage(source: Source, random: Random): Json {
  return source === 'fxa' ? accountMessage(random) : newsletterMessage(random);
}

const momentOf = (random: Random): number => FIRST_MOMENT + random.below(MOMENTS) * 60.5;
const addressOf = (group: number, random: Random): string => {
  const name = `g${group}a${random.below(ADDRESSES)}@mail.test`;
  return random.chance(1 / 10) ? ` ${name.toUpperCase()}` : name;
};
const newslettersOf = (random: Random): string[] => NEWSLETTERS.filter(() => random.chance(1 / 3));

function accountMessage(random: Random): Json {
  const group = random.below(GROUPS);
  // Deletions are rare, so that accounts have many events.
  const event = random.chance(1 / 8) ? random.pick(ACCOUNT_EVENTS) : random.pick(ACCOUNT_EVENTS.slice(0, 4));
  const flat: Json = {
    event,
    uid: (group * UIDS + random.below(UIDS)).toString(16).padStart(32, 'a'),
    iss: 'accounts.fxa.test',
    ts: momentOf(random),
    metricsContext: {},
  };
  if (event !== 'delete') {
    Object.assign(flat, {
      email: addressOf(group, random),
      locale: 'fr-FR,fr;q=0.9',
      countryCode: 'FR',
      service: 'sync',
    });
    if (event === 'verified' || event === 'newsletters:update') flat.newsletters = newslettersOf(random);
  }
  return enveloped(flat, random);
}

function enveloped(flat: Json, random: Random): Json {
  const { event, uid, ts, email, locale, ...rest } = flat;
  switch (random.below(8)) {
    case 0:
      return { event, data: { uid, ts, email, locale, ...rest } };
    case 1:
      return { MessageId: `sns-${random.below(1e6)}`, Message: JSON.stringify(flat) };
    case 2: {
      const type = event === 'delete' ? 'delete-user' : 'profile-change';
      return {
        iss: 'x',
        sub: uid,
        aud: 'rp',
        iat: ts,
        jti: `jti-${random.below(1e6)}`,
        events: { [TYPES + type]: { email, locale } },
      };
    }
    default:
      return flat;
  }
}

function newsletterMessage(random: Random): Json {
  const group = random.below(GROUPS);
  const event = random.pick([
    'newsletter.subscribe',
    'newsletter.subscribe',
    'newsletter.unsubscribe',
    'newsletter.confirm',
  ]);
  const message: Json = {
    event,
    id: `form-${random.below(1e6)}`,
    ts: momentOf(random),
    email: addressOf(group, random),
  };
  if (random.chance(1 / 30)) {
    delete message.email;
    message.token = '4c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11'; // unknown
  }
  if (event === 'newsletter.subscribe') {
    const profile = {
      lang: 'fr',
      country: 'fr',
      format: 'H',
      first_name: 'Ada',
      last_name: null,
      source_url: 'https://site.test/',
    };
    Object.assign(message, { newsletters: newslettersOf(random), optin: random.chance(1 / 3), ...profile });
  }
  if (event === 'newsletter.unsubscribe') {
    if (random.chance(1 / 4)) message.all = true;
    else message.newsletters = [random.pick(NEWSLETTERS)];
  }
  return message;
}
