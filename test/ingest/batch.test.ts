/** The rule "a failing batch isolates its bad message", and the failure table of the design, with real PostgreSQL errors. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { type BatchContext, handleBatch } from '../../src/ingest/batch';
import type { Outcome } from '../../src/ingest/outcome';
import { watchBlocking } from '../../src/observability/blocking';
import { silent } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, signup } from '../support/events';
import { DEFAULTS } from '../support/stored';

describe('a batch', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    // Counts tries, also those of failed transactions, and fails the inserts that a row of "refusal" matches.
    await database.sql(`
      CREATE SEQUENCE tries;
      CREATE TABLE refusal (pattern text, code text, times int);
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE r refusal;
        BEGIN
          SELECT * INTO r FROM refusal WHERE NEW.address LIKE pattern;
          IF FOUND AND nextval('tries') <= r.times THEN
            RAISE EXCEPTION 'refused: %', NEW.address USING ERRCODE = r.code;
          END IF;
          RETURN NEW;
        END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON email_address FOR EACH ROW EXECUTE FUNCTION refuse()`);
  });
  afterEach(() =>
    database.sql('TRUNCATE refusal; ALTER SEQUENCE tries RESTART; TRUNCATE email_address, account, contact CASCADE'),
  );
  afterAll(() => database?.drop());

  const refuse = (pattern: string, code: string, times = 1e9) =>
    database.sql('INSERT INTO refusal VALUES ($1, $2, $3)', [pattern, code, times]);
  const stored = async (): Promise<string[]> =>
    (await database.sql<{ address: string }>('SELECT address FROM email_address ORDER BY address')).map(
      ({ address }) => address,
    );
  const triesSoFar = async () =>
    (await database.sql<{ tries: number }>('SELECT last_value::int AS tries FROM tries'))[0]?.tries;
  const signups = (count: number): ContactEvent[] =>
    Array.from({ length: count }, (_, nr) => signup(`n${String(nr).padStart(3, '0')}`, ['x'], 1));

  /** Handles the events. @returns their outcomes, and how often the database was away and a transaction committed */
  async function handle(events: ContactEvent[], on: Partial<BatchContext> = {}) {
    const times = { away: 0, applied: 0 };
    const items = events.map((event) => ({ event, outcome: null as Outcome | null }));
    const complete = await handleBatch(items, {
      db: database.db,
      options: DEFAULTS,
      log: silent,
      stopping: new AbortController().signal,
      onApplied: () => {
        times.applied += 1;
      },
      onFailure: () => undefined,
      onAway: () => {
        times.away += 1;
      },
      onBack: () => undefined,
      ...on,
    });
    return { outcomes: complete ? items.map(({ outcome }) => outcome as Outcome) : null, times };
  }

  it.each([0, 250, 499])(
    'of 500 events, the one at %i that the database refuses fails alone, and 499 are done',
    async (bad) => {
      const name = `n${String(bad).padStart(3, '0')}@mail.test`;
      await refuse(name, 'P0001');
      const { outcomes, times } = await handle(signups(500));
      const failed = (outcomes ?? []).flatMap((outcome, nr) => (outcome.kind === 'ok' ? [] : [[nr, outcome]]));
      expect(failed).toEqual([[bad, { kind: 'retry', error: 'P0001' }]]);
      const there = await stored();
      expect(there).toHaveLength(499);
      expect(there).not.toContain(name);
      expect(times.applied).toBeLessThanOrEqual(9); // halves: 250, 125, 63, 32, 16, 8, 4, 2, 1
    },
  );

  it('that fails is logged with the ids of its first events, except for ids that may name a person', async () => {
    await refuse('n002%', 'P0001');
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) });
    const events = signups(8);
    const ids = events.map((_, nr) => (nr === 1 ? 'ada@mail.test' : `00000000-0000-4000-8000-00000000000${nr}`));
    for (const [nr, { trigger }] of events.entries()) trigger.id = ids[nr] as string;
    await handle(events, { log });
    expect(lines[0]).toMatchObject({
      msg: 'batch failed',
      failure: { code: 'P0001' },
      events: 8,
      eventIds: [ids[0], ids[2], ids[3], ids[4]],
    });
    expect(lines.at(-1)).toMatchObject({ msg: 'batch failed', events: 1, eventId: ids[2] });
    expect(JSON.stringify(lines)).not.toContain('ada');
  });

  it('ten bad events in different places each fail alone', async () => {
    await refuse('n__5@mail.test', '23514');
    const { outcomes } = await handle(signups(100));
    const failed = (outcomes ?? []).flatMap((outcome, nr) => (outcome.kind === 'retry' ? [nr] : []));
    expect(failed).toEqual([5, 15, 25, 35, 45, 55, 65, 75, 85, 95]);
    expect(await stored()).toHaveLength(90);
  });

  it.each([
    ['a deadlock', '40P01'],
    ['a serialisation failure', '40001'],
    ['a lost connection', '08006'],
    ['a unique violation between read and write', '23505'],
  ])('after %s (%s) the whole batch is retried and succeeds', async (_, code) => {
    await refuse('n000%', code, 2);
    const { outcomes, times } = await handle(signups(20));
    expect(outcomes?.map(({ kind }) => kind)).toEqual(Array(20).fill('ok'));
    expect(times).toEqual({ away: 0, applied: 1 }); // it was not split
  });

  it('after repeated deadlocks the batch is split, and the failing event is retried later', async () => {
    await refuse('n001%', '40P01');
    const { outcomes } = await handle(signups(3));
    expect(outcomes).toEqual([
      { kind: 'ok', type: expect.any(String) },
      { kind: 'retry', error: '40P01' },
      { kind: 'ok', type: expect.any(String) },
    ]);
    expect(await triesSoFar()).toBe(15); // five each: with the two others, with one, alone
  });

  it.each([
    ['a server that shuts down', '57P01'],
    ['a full disk', '53100'],
    ['too many connections', '53300'],
    ['a read-only server', '25006'],
    ['a missing right', '42501'],
  ])(
    '%s (%s) counts as an unavailable database: consumption pauses, no batch is split, no event is retried later',
    async (_, code) => {
      await refuse('n000%', code, 2);
      const { outcomes, times } = await handle(signups(20));
      expect(outcomes?.map(({ kind }) => kind)).toEqual(Array(20).fill('ok'));
      expect(times).toEqual({ away: 2, applied: 1 });
    },
  );

  it.each([
    ['a statement', '57014'],
    ['a transaction', '25P03'],
  ])(
    'an event that takes longer than %s may (%s) is tried alone once, and retried later; the others are done',
    async (_, code) => {
      await refuse('n002%', code);
      const { outcomes, times } = await handle(signups(5));
      expect(outcomes?.map((outcome) => [outcome.kind, 'error' in outcome ? outcome.error : ''])).toEqual(
        [0, 1, 2, 3, 4].map((nr) => (nr === 2 ? ['retry', code] : ['ok', ''])),
      );
      expect(times).toEqual({ away: 0, applied: 2 });
      expect(await triesSoFar()).toBe(3); // with all others, with two, alone
    },
  );

  it('while every event takes too long, made-up ones too, the database counts as slow: nothing is retried later', async () => {
    await refuse('%', '57014', 4);
    const reasons: string[] = [];
    const { outcomes } = await handle(signups(20), { onAway: (reason) => void reasons.push(reason) });
    expect(outcomes?.map(({ kind }) => kind)).toEqual(Array(20).fill('ok'));
    expect(reasons).toEqual(['database_slow', 'database_slow']); // each time the batch, then the made-up events
    expect(await stored()).toHaveLength(20); // the made-up ones are not
  });

  it('that blocks the process says so in the log, with its sizes only', async () => {
    await handle([acct('owner', 'n000', 1), signup('n001', ['x'], 1)]);
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: 'warn', base: null }, { write: (line) => void lines.push(JSON.parse(line)) });
    let now = 0;
    const clock = (step: number) => (): number => (now += step); // read before and after each work
    const events = [acct('owner', 'n001', 2), acct('owner', 'n000', 3)];
    await handle(events, { options: { ...DEFAULTS, blocking: watchBlocking(log, clock(1_000)) } });
    expect(lines).toEqual([]);
    await handle([acct('another', 'n002', 4)], {
      options: { ...DEFAULTS, blocking: watchBlocking(log, clock(1_001)) },
    });
    const sizes = { events: 1, addresses: 1, accounts: 1, claims: 1 };
    const line = { level: 40, time: expect.any(Number), msg: 'the process was blocked', ms: 1_001, ...sizes };
    expect(lines).toEqual(['decide', 'compare', 'explain', 'announce'].map((work) => ({ ...line, work })));
  });

  it('stopped while the database is away, it leaves its events without an outcome, so that they are delivered again', async () => {
    await refuse('%', '57P03');
    const stopping = new AbortController();
    const { outcomes } = await handle(signups(5), { stopping: stopping.signal, onAway: () => stopping.abort() });
    expect(outcomes).toBeNull();
    expect(await stored()).toEqual([]);
  });

  it('an event that needs a locked row is deferred; the others are done', async () => {
    await refuse('n002%', '55P03');
    const { outcomes } = await handle(signups(5));
    expect(outcomes?.map(({ kind }) => kind)).toEqual(['ok', 'ok', 'deferred', 'ok', 'ok']);
    expect(await stored()).toHaveLength(4);
  });
});
