/** With a million rows, no statement of the service, of HTTP and of the commands reads a whole table or index. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readConfig, SERVICE_NEEDS } from '../../src/config';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { type Service, startService } from '../../src/main';
import type { Part } from '../../src/service/parts';
import { parseCounters, sumOf } from '../../tools/prometheus';
import { silent, withBroker } from '../support/broker';
import { confirmed, onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { FILLED, FILLED_ERASURE_KEY, fill, filledAddress } from '../support/million-rows';
import { canReportPlans, type Plan, PlanRecorder } from '../support/plans';
import { eventually, get, publish } from '../support/service';
import { USE_CASES } from '../support/use-cases';
import { isPartOf, type WrittenStatement, writtenStatements } from '../support/written-statements';

/** Statements that may read whole tables or many rows, by their files and texts. */
const EXCEPTIONS: readonly { file: string; text?: string; why: string }[] = [
  { file: 'src/operations/export/', why: 'an export has all contacts' },
  { file: 'src/compaction/', why: 'compaction goes through the tables, page by page' },
  {
    file: 'src/operations/stored-keys.ts',
    why: 'every stored name is hashed, page by page, to find those whose hashes are known',
  },
  { file: 'src/operations/erase/store.ts', text: 'FROM outbox', why: 'any pending notification may name the person' },
  {
    file: 'src/postgres/tables/outbox-changes.ts',
    text: 'outbox_changes',
    why: 'any pending change may be the person’s',
  },
  { file: 'src/postgres/tables/audit.ts', text: 'strpos(lower(target', why: 'any entry may name the erased person' },
  { file: 'src/postgres/tables/audit.ts', text: 'starts_with(command', why: 'an operator searches the audit' },
  { file: 'src/operations/collisions/store.ts', text: 'count(DISTINCT', why: 'the list says how many claims are held' },
  { file: 'src/postgres/tables/outbox.ts', text: 'AS pending', why: 'up to 100,000 pending notifications are counted' },
];

interface Unreached {
  file: string;
  text: string;
  why: string;
}

/** Statements that the use cases do not reach, or whose plan is not reported. */
const NOT_RUN: readonly Unreached[] = [
  { file: 'src/postgres/migrations/migrate.ts', text: 'rolled_back_at = now()', why: 'after a migration that failed' },
  { file: 'src/postgres/migrations/require-schema.ts', text: 'oldest_program', why: 'in a schema of a newer version' },
  { file: 'src/postgres/tables/import-progress.ts', text: 'INSERT INTO', why: 'once in many batches of an import' },
  {
    file: 'src/operations/export/store.ts',
    text: 'DECLARE',
    why: 'it is reported at the end of an export, of all contacts',
  },
  {
    file: 'src/postgres/tables/choice.ts',
    text: 'DECLARE every_choice',
    why: 'it is reported at the end of an export, of the whole consent ledger',
  },
];

const broker = withBroker();
let data: TestDatabase;
let recorder: PlanRecorder;
let folder: string;
let service: Service;

const erasureList = (): string => join(folder, 'erasures.ndjson');

const env = (): NodeJS.ProcessEnv => ({
  AMQP_URL: broker().url,
  DATABASE_URL: data.url,
  ERASURE_KEY: FILLED_ERASURE_KEY,
  ERASURE_LIST: erasureList(),
  OPERATOR: 'grace',
  // With every notification: without them the same statements return less.
  NOTIFY_CHANGES: 'true',
  NOTIFY_CONFIRMATIONS: 'true',
  HTTP_PORT: '0',
});

const start = (...only: Part[]): Promise<Service> =>
  startService(readConfig(env(), SERVICE_NEEDS), { log: silent, only });

async function run(...args: string[]): Promise<string> {
  const { code, out, err } = await onecontact(confirmed(args), env());
  expect([args, code, err]).toEqual([args, 0, expect.not.stringContaining('onecontact: ')]);
  return out;
}

const handled = async (): Promise<number> =>
  sumOf(parseCounters((await get(service, '/metrics')).text), 'onecontact_messages_total', { outcome: 'ok' });

async function handle(...events: ContactEvent[]): Promise<void> {
  for (const event of events) {
    const before = await handled();
    await publish(broker(), event);
    await eventually(handled, (count) => count > before);
  }
}

describe('in a database with a million rows', () => {
  let isSupported = false;
  beforeAll(async () => {
    data = await freshDatabase();
    isSupported = await canReportPlans(data);
    if (!isSupported) {
      process.stderr.write(
        'skipped: the user of the test database is not a superuser, or its server has no auto_explain\n',
      );
      return;
    }
    folder = mkdtempSync(join(tmpdir(), 'onecontact-plans-'));
    await fill(data);
    recorder = await PlanRecorder.start(data);
    service = await start('fxa', 'newsletter', 'http');
  }, 300_000);
  afterAll(async () => {
    recorder?.stop();
    await service?.stop();
    await data?.drop();
  });

  it.each(USE_CASES)(
    'this is done: %s',
    async (_, work) => {
      if (isSupported)
        await work({ data, broker: broker(), service, start, handle, run, folder, erasureList: erasureList() });
    },
    120_000,
  );

  it('every statement in the source was run', () => {
    if (!isSupported) return;
    const ran = recorder.plans.map(({ statement }) => statement);
    const missing = writtenStatements().filter((written) => !ran.some((statement) => isPartOf(written, statement)));
    const isOf = ({ file, parts }: WrittenStatement, it: Unreached): boolean =>
      file === it.file && parts.some((part) => part.includes(it.text));
    const unexpected = missing.filter((written) => !NOT_RUN.some((it) => isOf(written, it)));
    const nowRun = NOT_RUN.filter((it) => !missing.some((written) => isOf(written, it)));
    expect([unexpected, nowRun]).toEqual([[], []]);
  });

  it('no statement reads a whole table or index, or many rows, except those that are named here', () => {
    if (!isSupported) return;
    expect([...problems(recorder.plans)]).toEqual([]);
  });

  it.each<[statement: string, problem: RegExp | null]>([
    ['SELECT count(*) FROM choice', /^\d+ rows of choice by /],
    ["SELECT FROM choice WHERE source = 'none'", /^(\d+ rows|all) of choice/],
    // A condition on the third column of an index reads the whole index.
    ["SELECT FROM choice WHERE newsletter = 'none'", /^all of choice_pkey, by \(newsletter = /],
    // A filter that finds nothing at once makes the scan read on.
    ["SELECT FROM account WHERE locale = 'de' ORDER BY uid LIMIT 1", /^all of account_pkey, by no condition$/],
    ['SELECT count(version) FROM account JOIN contact ON contact.id = contact_id', /^\d+ rows of account by /],
    ['SELECT uid FROM account ORDER BY uid LIMIT 3', null],
    ['SELECT EXISTS (SELECT FROM account)', null],
    ["SELECT FROM account WHERE uid = 'none'", null],
  ])('it is noticed what a statement reads: %s', async (statement, problem) => {
    if (!isSupported) return;
    const before = recorder.plans.length;
    await data.db.$queryRawUnsafe(statement);
    const found = recorder.plans.slice(before).flatMap((plan) => recorder.problemsOf(plan));
    expect(found).toEqual(problem === null ? [] : expect.arrayContaining([expect.stringMatching(problem)]));
  });

  it('a look-up over HTTP where 10,000 accounts once claimed the address reads at most three times the rows of 10', async () => {
    if (!isSupported) return;
    const rows = async (address: string): Promise<number> => {
      const before = recorder.plans.length;
      expect((await get(service, `/contacts/by-email/${address}@mail.test`)).status).toBe(200);
      return PlanRecorder.rowsOf(recorder.plans.slice(before));
    };
    expect(await rows('crowd')).toBeLessThanOrEqual(3 * (await rows('few')));
    expect(await rows(filledAddress(FILLED.inCrowd))).toBeLessThanOrEqual(
      3 * (await rows(filledAddress(FILLED.inFew))),
    );
  });
});

/** The problems of plans without those of exceptions, each once; and the exceptions that read no more than others. */
function problems(plans: readonly Plan[]): string[] {
  const written = writtenStatements();
  const unused = new Set(EXCEPTIONS);
  const found = new Set<string>();
  for (const plan of plans) {
    const ofPlan = recorder.problemsOf(plan);
    if (ofPlan.length === 0) continue;
    const files = new Set(written.filter((it) => isPartOf(it, plan.statement)).map(({ file }) => file));
    const exception = EXCEPTIONS.find(
      ({ file, text = '' }) => [...files].some((it) => it.startsWith(file)) && plan.statement.includes(text),
    );
    if (exception) unused.delete(exception);
    else found.add(`${[...files].join(', ')}: ${ofPlan.join('; ')}: ${plan.statement.slice(0, 300)}`);
  }
  return [
    ...found,
    ...[...unused].map(({ file, text = '' }) => `reads little, and needs no exception: ${file} ${text}`),
  ];
}
