/** The explanation that the ledger keeps of a merge: why each value won or lost. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { type Dated, latest, PROFILE_FIELDS } from '../../src/contacts/facts/facts';
import { type BeforeAndAfter, beforeAndAfter } from '../../src/contacts/merge/before-and-after';
import { type Explanation, explainMerge, type Verdict, valueAfter, type Why } from '../../src/contacts/merge/explain';
import type { ContactView, ProfileSources } from '../../src/contacts/profile/contact-view';
import { acct, at, confirm, del, exactly, optout, signup, unsub } from '../support/events';
import { history } from '../support/histories';
import { MemoryStore } from '../support/memory-store';

/** Explains the last merge that the events cause, each in its own batch. */
function explain(...events: ContactEvent[]): Explanation {
  const store = new MemoryStore();
  let explanation: Explanation | undefined;
  for (const event of events) {
    const { merges } = store.apply([event]);
    for (const plan of merges) {
      explanation = explainMerge(beforeAndAfter(plan, store.contactIndex, store.facts), store.facts);
    }
  }
  if (!explanation) throw new Error('nothing was merged');
  return explanation;
}

/** Explains the merge of an account at `a` and a reader at `b`. */
const merge = (...between: ContactEvent[]): Explanation =>
  explain(acct('u', 'a', 1), signup('b', [], 1), ...between, acct('u', 'b', 9));
const named = (t: number, firstName: string | null, where = 'a'): ContactEvent =>
  signup(where, [], t, { profile: { firstName } });

describe('the explanation of a profile field', () => {
  const field = (...between: ContactEvent[]) => merge(...between).fields.first_name;

  it('says `only` for a value that one side had', () => {
    expect(field(named(2, 'Ada', 'b'))).toEqual({ retired: { value: 'Ada', at: at(2) }, won: 'retired', why: 'only' });
    expect(field(named(2, null))).toEqual({ survivor: { value: null, at: at(2) }, won: 'survivor', why: 'only' });
  });

  it('says `later` for the later value, also for an explicit null', () => {
    expect(field(named(3, 'Ada'), named(2, 'Bea', 'b'))).toEqual({
      survivor: { value: 'Ada', at: at(3) },
      retired: { value: 'Bea', at: at(2) },
      won: 'survivor',
      why: 'later',
    });
    expect(field(named(2, 'Ada'), named(3, null, 'b'))).toMatchObject({ won: 'retired', why: 'later' });
  });

  it('says at equal times `greater` for the greater value and `value_before_null` for a value before a null', () => {
    expect(field(named(2, 'Ada'), named(2, 'Bea', 'b'))).toMatchObject({ won: 'retired', why: 'greater' });
    expect(field(named(2, 'Ada'), named(2, null, 'b'))).toMatchObject({ won: 'survivor', why: 'value_before_null' });
  });

  it('says `same` for a value that both sides had', () => {
    const verdict = field(named(2, 'Ada'), named(3, 'Ada', 'b'));
    expect(verdict).toEqual({
      survivor: { value: 'Ada', at: at(2) },
      retired: { value: 'Ada', at: at(3) },
      after: { value: 'Ada', at: at(3) },
      won: 'both',
      why: 'same',
    });
  });

  it('is absent for a field that neither side had', () => {
    expect(merge().fields).toEqual({});
  });

  it('says `left_behind` for a value that the deleted account said', () => {
    const { fields } = explain(
      acct('u1', 'a', 1, { locale: 'de' }),
      signup('a', [], 2, { profile: { lang: 'fr' } }),
      acct('u2', 'a', 5, { locale: 'it' }),
      acct('u1', 'c', 4, { locale: 'es' }),
      acct('u2', 'c', 6),
      del('u1', 4.5),
    );
    expect(fields.lang).toEqual({
      survivor: { value: 'it', at: at(5) },
      retired: { value: 'fr', at: at(2) },
      won: 'retired',
      why: 'reader',
    });
    const late = explain(acct('u1', 'a', 1, { locale: 'de' }), acct('u2', 'a', 5), del('u1', 4));
    expect(late.fields.lang).toEqual({
      retired: { value: 'de', at: at(1) },
      after: null,
      won: null,
      why: 'left_behind',
    });
  });
});

describe('the explanation of a field that both the account and its reader gave', () => {
  const lang = (t: number, value: string | null, where: string): ContactEvent =>
    signup(where, [], t, { profile: { lang: value } });
  const fieldOf = (...said: ContactEvent[]) => merge(acct('u', 'a', 5, { locale: 'de' }), ...said).fields.lang;
  const account = { value: 'de', at: at(5) };

  it('says `reader` for what the reader said, before or after the account', () => {
    for (const t of [2, 6]) {
      expect(fieldOf(lang(t, 'fr', 'b'))).toEqual({
        survivor: account,
        retired: { value: 'fr', at: at(t) },
        won: 'retired',
        why: 'reader',
      });
    }
  });

  it('says `account` for the account’s value where the reader of the other side had cleared the field', () => {
    expect(fieldOf(lang(6, null, 'b'))).toEqual({
      survivor: account,
      retired: { value: null, at: at(6) },
      won: 'survivor',
      why: 'account',
    });
    expect(fieldOf(lang(2, 'fr', 'b'), lang(3, null, 'a'))).toMatchObject({
      survivor: account,
      retired: { value: 'fr' },
      won: 'survivor',
      why: 'account',
    });
  });

  it('says `account` where clearing the field on one side ended the other side’s own value', () => {
    expect(fieldOf(lang(2, 'fr', 'a'), lang(3, null, 'b'))).toEqual({
      survivor: { value: 'fr', at: at(2) },
      retired: { value: null, at: at(3) },
      after: account,
      won: null,
      why: 'account',
    });
  });

  it('says `later` between what the readers of both sides said', () => {
    expect(fieldOf(lang(2, 'fr', 'a'), lang(3, 'it', 'b'))).toMatchObject({ won: 'retired', why: 'later' });
  });
});

describe('the explanation of the primary address', () => {
  it('says `later` for the address that the account claimed later', () => {
    expect(merge().primary).toEqual({
      survivor: { value: 'a@mail.test', at: at(1) },
      retired: { value: 'b@mail.test', at: at(9) },
      won: 'retired',
      why: 'later',
    });
    const early = explain(acct('u', 'a', 5), signup('b', [], 1), acct('u', 'b', 3));
    expect(early.primary).toMatchObject({ won: 'survivor', why: 'later' });
  });

  it('says `greater` for the greater of two addresses claimed at the same time', () => {
    const { primary } = explain(acct('u', 'a', 3), signup('b', [], 1), acct('u', 'b', 3));
    expect(primary).toMatchObject({ won: 'retired', why: 'greater' });
  });

  it('says `only` for the first address of an account', () => {
    const { primary } = explain(acct('u', 'a', 1), acct('v', 'a', 2), signup('b', [], 1), acct('u', 'b', 3));
    expect(primary).toEqual({ retired: { value: 'b@mail.test', at: at(3) }, won: 'retired', why: 'only' });
  });

  it('says `only` for the account’s own address when a late deletion completes the merge', () => {
    const { primary } = explain(acct('u1', 'a', 1), acct('u2', 'a', 5), del('u1', 4));
    expect(primary).toEqual({ survivor: { value: 'a@mail.test', at: at(5) }, won: 'survivor', why: 'only' });
  });
});

describe('the explanation of a newsletter', () => {
  const newsletter = (...between: ContactEvent[]) => merge(...between).newsletters.x;

  it('says `only` for a state that one side had, refusals included', () => {
    expect(newsletter(signup('b', ['x'], 2))).toEqual({
      retired: { state: 'subscribed', since: at(2) },
      won: 'retired',
      why: 'only',
    });
    expect(newsletter(unsub('a', ['x'], 2))).toEqual({
      survivor: { state: 'unsubscribed', since: at(2) },
      won: 'survivor',
      why: 'only',
    });
  });

  it('says `later` for the latest choice', () => {
    expect(newsletter(signup('b', ['x'], 3), unsub('a', ['x'], 2))).toEqual({
      survivor: { state: 'unsubscribed', since: at(2) },
      retired: { state: 'subscribed', since: at(3) },
      won: 'retired',
      why: 'later',
    });
  });

  it('says `refusal` for the refusal of two choices made at the same time', () => {
    expect(newsletter(signup('b', ['x'], 2), unsub('a', ['x'], 2))).toMatchObject({ won: 'survivor', why: 'refusal' });
  });

  it('says `set` when the other side, which never had it, had chosen exactly others', () => {
    const before = { state: 'subscribed', since: at(2) } as const;
    expect(newsletter(signup('b', ['x'], 2), exactly('a', ['y'], 3))).toEqual({
      retired: before,
      after: { state: 'unsubscribed', since: at(3) },
      won: 'survivor',
      why: 'set',
    });
    expect(newsletter(signup('b', ['x'], 2), exactly('a', ['y'], 2))).toMatchObject({ won: 'survivor', why: 'set' });
    expect(newsletter(signup('b', ['x'], 4), exactly('a', ['y'], 3))).toMatchObject({ won: 'retired', why: 'only' });
  });

  it('says `same` when both sides had the state', () => {
    expect(newsletter(signup('b', ['x'], 2), signup('a', ['x'], 3))).toMatchObject({
      won: 'both',
      why: 'same',
      survivor: { since: at(3) },
      retired: { since: at(2) },
    });
  });

  it('says `opt_out` when an opt-out of the other side ended the subscription', () => {
    expect(newsletter(signup('a', ['x'], 2), optout('b', 3))).toEqual({
      survivor: { state: 'subscribed', since: at(2) },
      after: { state: 'unsubscribed', since: at(3) },
      won: 'retired',
      why: 'opt_out',
    });
    // The other side had the newsletter too and ended it with the same opt-out.
    expect(newsletter(signup('a', ['x'], 3), signup('b', ['x'], 2), optout('b', 4))).toEqual({
      survivor: { state: 'subscribed', since: at(3) },
      retired: { state: 'unsubscribed', since: at(4) },
      won: 'retired',
      why: 'opt_out',
    });
  });

  it('says `opt_out` for a newsletter chosen on both sides at the same time, of which one opted out', () => {
    expect(newsletter(signup('a', ['x'], 2), signup('b', ['x'], 2), optout('b', 3))).toMatchObject({
      won: 'retired',
      why: 'opt_out',
    });
  });

  it('says `unconfirmed` when it was chosen without proof while the other side was opted out', () => {
    expect(newsletter(optout('b', 2), signup('a', ['x'], 3))).toEqual({
      survivor: { state: 'subscribed', since: at(3) },
      after: { state: 'unsubscribed', since: at(3) },
      won: 'retired',
      why: 'unconfirmed',
    });
  });

  it('says `only` when it was chosen while the other side was opted out and confirmed later', () => {
    expect(newsletter(optout('b', 2), signup('a', ['x'], 3), confirm('a', 4))).toEqual({
      survivor: { state: 'subscribed', since: at(3) },
      after: { state: 'subscribed', since: at(4) },
      won: 'survivor',
      why: 'only',
    });
  });

  it('says `proven` when a proven act of the other side had lifted the opt-out', () => {
    expect(newsletter(optout('b', 2), confirm('a', 3), signup('b', ['x'], 4))).toEqual({
      retired: { state: 'unsubscribed', since: at(4) },
      after: { state: 'subscribed', since: at(4) },
      won: 'survivor',
      why: 'proven',
    });
  });

  it('says `left_behind` when it was chosen in the deleted account', () => {
    const { newsletters } = explain(acct('u1', 'a', 1, { newsletters: ['x'] }), acct('u2', 'a', 5), del('u1', 4));
    expect(newsletters.x).toEqual({
      retired: { state: 'subscribed', since: at(1) },
      after: null,
      won: null,
      why: 'left_behind',
    });
  });

  it('is kept under any newsletter name, such as `__proto__`', () => {
    const { newsletters } = merge(signup('b', ['__proto__', '7', 'constructor'], 2));
    expect(Object.keys(JSON.parse(JSON.stringify(newsletters)))).toEqual(['7', '__proto__', 'constructor']);
  });
});

describe('the explanation of the opt-out', () => {
  const optedOut = (...between: ContactEvent[]) => merge(...between).opted_out;

  it('is absent when neither side opted out', () => {
    expect(optedOut()).toBeUndefined();
  });

  it('says `only` when one side opted out and `same` when both did', () => {
    expect(optedOut(optout('b', 2))).toEqual({ retired: true, won: 'retired', why: 'only' });
    expect(optedOut(optout('a', 2), optout('b', 3))).toEqual({
      survivor: true,
      retired: true,
      won: 'both',
      why: 'same',
    });
  });

  it('says `proven` when a later proven act of the other side lifted it', () => {
    expect(optedOut(optout('b', 2), confirm('a', 3))).toEqual({
      retired: true,
      won: 'survivor',
      why: 'proven',
    });
  });
});

describe('the explanation of a merge in a generated history', () => {
  it('names the value of the view after the merge as the winner, and a reason that holds', () => {
    const seen = new Set<Why>();
    fc.assert(
      fc.property(history(), (events) => {
        const store = new MemoryStore();
        for (const event of events) {
          for (const plan of store.apply([event]).merges) {
            const views = beforeAndAfter(plan, store.contactIndex, store.facts);
            const explanation = explainMerge(views, store.facts);
            for (const { why } of verdictsIn(explanation)) seen.add(why);
            checkValues(explanation, views);
            checkReasons(explanation, views);
          }
        }
      }),
      { numRuns: 5_000, seed: 37 },
    );
    const ofFields: Why[] = ['only', 'same', 'later', 'greater', 'value_before_null', 'reader', 'account'];
    const ofChoices: Why[] = ['refusal', 'set', 'opt_out', 'unconfirmed', 'proven', 'left_behind'];
    expect([...seen].sort()).toEqual([...ofFields, ...ofChoices].sort());
  });

  it('names the value of the view after the merge when all events come in one batch', () => {
    fc.assert(
      fc.property(history(), (events) => {
        const store = new MemoryStore();
        for (const plan of store.apply(events).merges) {
          const views = beforeAndAfter(plan, store.contactIndex, store.facts);
          checkValues(explainMerge(views, store.facts), views);
        }
      }),
      { numRuns: 2_000, seed: 38 },
    );
  });
});

const NAMES = ['first_name', 'last_name', 'country', 'lang', 'format'];

function verdictsIn({ primary, fields, newsletters, opted_out }: Explanation): Verdict<unknown>[] {
  return [primary, opted_out, ...Object.values(fields), ...Object.values(newsletters)].filter(
    (verdict) => verdict !== undefined,
  );
}

/** The explanation holds every value of both sides and the value after the merge. */
function checkValues({ primary, fields, newsletters, opted_out }: Explanation, views: BeforeAndAfter): void {
  const { after, survivor, retired } = views;
  const explained: unknown[] = [
    (primary && valueAfter(primary)?.value) ?? null,
    opted_out ? (valueAfter(opted_out) ?? false) : false,
  ];
  const known: unknown[] = [after.primary, after.optedOut];
  const compare = <T>(verdict: Verdict<T> | undefined, of: (view: ContactView) => T | undefined): void => {
    explained.push(verdict && valueAfter(verdict), verdict?.survivor, verdict?.retired);
    known.push(of(after), of(survivor), of(retired));
  };
  for (const [i, field] of PROFILE_FIELDS.entries()) {
    compare(fields[NAMES[i] as string], (view) => shown(view.profileSources[field] ?? {}));
  }
  for (const name of [...survivor.newsletters.keys(), ...retired.newsletters.keys(), ...after.newsletters.keys()]) {
    compare(newsletters[name], (view) => {
      const known = view.newsletters.get(name);
      return known ? { state: known.state, since: known.since } : undefined;
    });
  }
  // Matchers are slow.
  if (JSON.stringify(explained) !== JSON.stringify(known)) expect(explained).toEqual(known);
}

/** The value of a field that readers see, written a second time. */
function shown({ reader, account }: { [source in keyof ProfileSources]: Dated | undefined }): Dated | undefined {
  const value = reader?.value == null ? (account ?? reader) : reader;
  return value && { value: value.value, at: value.at };
}

/** Checks each reason against the rules of the model, written a second time. */
function checkReasons({ fields, newsletters }: Explanation, { survivor, retired, after }: BeforeAndAfter): void {
  const winnerFirst = (won: Verdict<unknown>['won']) =>
    won === 'survivor' ? [survivor, retired] : [retired, survivor];
  const untrue: unknown[] = [];
  for (const [i, field] of PROFILE_FIELDS.entries()) {
    const verdict = fields[NAMES[i] as string];
    if (!verdict) continue;
    const sources = [after, ...winnerFirst(verdict.won)].map(({ profileSources }) => profileSources[field] ?? {});
    const [now, mine, theirs] = sources.map(shown);
    const [, ours, others] = sources;
    const [said, alsoSaid] = [ours?.reader, others?.reader];
    const best = shown({ reader: latest(said, alsoSaid), account: latest(ours?.account, others?.account) });
    const isTrue = {
      left_behind: best?.at !== now?.at,
      later: (mine?.at ?? 0) > (theirs?.at ?? 0),
      reader: said?.value != null && alsoSaid?.value == null && others?.account?.at === theirs?.at,
      account: now?.at === sources[0]?.account?.at && latest(said, alsoSaid)?.value === null,
      only: mine !== undefined && theirs === undefined,
      same: mine?.value === theirs?.value,
      greater: mine?.at === theirs?.at && (mine?.value ?? '') > (theirs?.value ?? ''),
      value_before_null: mine?.at === theirs?.at && theirs?.value === null,
    }[verdict.why as string];
    if (!isTrue) untrue.push([field, verdict]);
  }
  for (const [name, verdict] of Object.entries(newsletters)) {
    const [mine, theirs] = winnerFirst(verdict.won).map((view) => view.newsletters.get(name));
    const now = after.newsletters.get(name);
    const ended = now?.state === 'unsubscribed' && theirs?.state === 'subscribed';
    const isTrue = {
      left_behind: now?.chosenAt !== Math.max(mine?.chosenAt ?? 0, theirs?.chosenAt ?? 0),
      later: mine?.state === now?.state && (mine?.chosenAt ?? 0) > (theirs?.chosenAt ?? 0),
      only: mine?.state === now?.state && theirs === undefined,
      same: mine?.state === theirs?.state,
      refusal: ended && mine?.chosenAt === theirs?.chosenAt && now?.by === 'choice',
      set: mine === undefined && now?.by === 'choice' && now.chosenAt >= (theirs?.chosenAt ?? 0),
      opt_out: ended && now?.by === 'opt_out',
      unconfirmed: ended && now?.by === 'unconfirmed',
      proven: now?.state === 'subscribed' && theirs?.state === 'unsubscribed',
    }[verdict.why as string];
    if (!isTrue) untrue.push([name, verdict]);
  }
  if (untrue.length > 0) expect(untrue).toEqual([]);
}
