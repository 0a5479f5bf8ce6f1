/** What is killed in the middle of what, and how it is found out whether all came right. */
import { createHash } from 'node:crypto';
import { FXA_QUEUE, MAILER_QUEUE, NEWSLETTER_QUEUE } from '../../../src/rabbitmq/names';
import { allRows, canonicalRows, keepRows, type Row } from '../../table-rows';
import { readContacts } from '../checks';
import { takeDeadLetters } from '../dead-letters';
import type { Message } from '../message';
import type { Point, Side, Step } from './gate';
import type { Life } from './life';
import { type Stage, until } from './stage';

export interface Scene {
  name: string;
  group: 'batch' | 'relay';
  /** What the worker runs that is killed; the one after it has a relay besides. */
  parts: 'fxa' | 'newsletter' | 'relay';
  messages: readonly Message[];
}

/** All that is there when everything is done. */
interface End {
  /** Rows and the mailer's messages; what differs from run to run is named after where it stands. */
  canonical: string[];
  contacts: string[];
  /** Of the mailer: how many came, and how many message ids. */
  deliveries: number;
  ids: number;
  copies: number;
  problems: string[];
}

export interface Outcome {
  point: Point;
  /** What the killed worker left: the database as it was, or with all of it. */
  left: 'before' | 'after' | 'neither';
  /** Notifications that the mailer got once more. */
  repeated: number;
  /** The same of dead letters. */
  copies: number;
  problems: string[];
  ms: number;
}

const WORK_QUEUES = { fxa: FXA_QUEUE, newsletter: NEWSLETTER_QUEUE, relay: undefined };

/** One scene: played once undisturbed, and then as often as there are points. */
export class Scenario {
  points: Point[] = [];
  contacts: string[] = [];
  #start: Row[] = [];
  #after: string[] = [];
  #end!: End;

  private constructor(
    readonly scene: Scene,
    private readonly stage: Stage,
    /** Brings the rows back with which it begins. */
    readonly putBack: () => Promise<void>,
  ) {}

  /** Begins, each time, with the rows as they are now. */
  static async from(scene: Scene, stage: Stage): Promise<Scenario> {
    const scenario = new Scenario(scene, stage, await keepRows(stage, `kept_${scene.parts}`));
    await scenario.#undisturbed();
    return scenario;
  }

  /** Kills a worker at the point, lets another one complete it, and compares. */
  async play(point: Point): Promise<Outcome> {
    const begin = performance.now();
    const { stage, scene } = this;
    const [killed, next] = await this.#begin();
    killed.release(point, scene.messages.length);
    const where = `the worker comes to ${point.side} ${point.kind} ${point.nr}`;
    await until(where, () => killed.ending !== undefined);
    await killed.noticed();
    await stage.givenBack();
    const rows = await allRows(stage);
    const left = this.#leftBy(rows);
    const end = await this.#complete(next);
    const problems = [...end.problems, ...this.#differences(end)];
    if (!killed.gate.killed) problems.push(`it ended by itself: ${JSON.stringify(killed.ending)}`);
    if (left === 'neither') problems.push('the database was neither before nor after');
    await killed.end();
    const { ids, deliveries, copies } = end;
    return { point, left, repeated: deliveries - ids, copies, problems, ms: performance.now() - begin };
  }

  async #begin(): Promise<[Life, Life]> {
    const { stage, scene } = this;
    // The next one starts meanwhile: that takes longest of all.
    const lives = await Promise.all([
      stage.worker(scene.parts),
      stage.worker(scene.parts === 'relay' ? 'relay' : `${scene.parts},relay`),
    ]);
    await this.putBack();
    await stage.emptyQueues();
    await stage.publish(scene.messages);
    this.#start = await allRows(stage);
    return lives;
  }

  async #undisturbed(): Promise<void> {
    const { stage, scene } = this;
    const [first, next] = await this.#begin();
    const { gate } = first;
    first.release(null, scene.messages.length);
    await until('everything is done', async () =>
      scene.parts === 'relay'
        ? (await stage.outbox()) === 0
        : gate.settled === scene.messages.length && scene.messages.length > 0,
    );
    const steps = [...gate.steps];
    await first.stop();
    await stage.givenBack();
    this.points = pointsOf(steps, scene);
    const after = await allRows(stage);
    this.#after = canonicalRows(after, this.#start);
    this.#end = await this.#complete(next);
    this.contacts = this.#end.contacts;
    const problems = [...this.#end.problems];
    if (this.#end.ids !== this.#end.deliveries) problems.push('the mailer got something twice');
    if (problems.length > 0) throw new Error(`${scene.name}, undisturbed: ${problems.join('; ')}`);
    await first.end();
  }

  #leftBy(rows: Row[]): Outcome['left'] {
    if (JSON.stringify(rows) === JSON.stringify(this.#start)) return 'before';
    return same(canonicalRows(rows, this.#start), this.#after) ? 'after' : 'neither';
  }

  async #complete(next: Life): Promise<End> {
    const { stage, scene } = this;
    const queue = WORK_QUEUES[scene.parts];
    const left = queue === undefined ? 0 : ((await stage.queues()).get(queue)?.messages ?? 0);
    next.release(null, left);
    await until('the next worker completes it', async () => next.gate.settled >= left && (await stage.outbox()) === 0);
    await next.stop();
    const problems: string[] = [];
    if (next.ending?.code !== 0) problems.push(`the next worker ended with ${JSON.stringify(next.ending)}`);
    await stage.givenBack();
    const end = await this.#look();
    await next.end();
    return { ...end, problems: [...problems, ...end.problems] };
  }

  async #look(): Promise<End> {
    const { stage, scene } = this;
    const problems: string[] = [];
    const letters = await takeDeadLetters(stage.channel);
    const rubbish = scene.messages.filter((message) => message.is === 'rubbish');
    const found = new Map(letters.map(({ id, reason }) => [id, reason]));
    for (const { id, reason } of rubbish) {
      if (found.get(id) !== reason) problems.push(`dead letter ${id}: ${found.get(id) ?? 'missing'}, not ${reason}`);
      found.delete(id);
    }
    for (const [id, reason] of found) problems.push(`dead letter ${id} (${reason}) is no rubbish`);

    const mail = new Map<string, Row>();
    let deliveries = 0;
    for (;;) {
      const message = await stage.channel.get(MAILER_QUEUE, { noAck: true });
      if (!message) break;
      deliveries += 1;
      const { messageId: id, type, headers } = message.properties;
      const hash = createHash('sha256').update(message.content).digest('hex');
      const body: unknown = JSON.parse(message.content.toString());
      const known = mail.get(id);
      if (known && known.values.hash !== hash) problems.push(`notification ${id} has several bodies`);
      mail.set(id, { table: 'mailer', values: { id, type, headers, body, hash } });
    }
    for (const [queue, { messages }] of await stage.queues()) {
      if (messages > 0) problems.push(`${messages} left in ${queue}`);
    }
    const rows = await allRows(stage);
    const received = [...mail.values()].map(({ table, values: { hash: _, ...values } }) => ({ table, values }));
    const { lines: contacts } = await readContacts(stage.db);
    return {
      canonical: canonicalRows([...rows, ...received], this.#start),
      contacts,
      deliveries,
      ids: mail.size,
      copies: letters.length - rubbish.length,
      problems,
    };
  }

  #differences({ canonical, contacts }: End): string[] {
    const problems: string[] = [];
    if (!same(contacts, this.#end.contacts)) problems.push('the canonical export differs');
    const [wanted, found] = [new Set(this.#end.canonical), new Set(canonical)];
    problems.push(
      ...this.#end.canonical.filter((row) => !found.has(row)).map((row) => `missing: ${row}`),
      ...canonical.filter((row) => !wanted.has(row)).map((row) => `not expected: ${row}`),
    );
    if (problems.length === 0 && !same(canonical, this.#end.canonical)) problems.push('something is there twice');
    return problems;
  }

  /** Notifications of the undisturbed run. */
  get notifications(): number {
    return this.#end.ids;
  }
}

const same = (a: readonly string[], b: readonly string[]): boolean => a.join('\n') === b.join('\n');
const SIDES: readonly Side[] = ['before', 'after'];

/** Both sides of every statement of the transaction that does the work, and of all that goes to the broker or comes from it. */
function pointsOf(steps: readonly Step[], { name, parts }: Scene): Point[] {
  const statements = steps.filter(({ kind }) => kind === 'statement');
  const commit = statements.findIndex(({ what }) => /^commit\b/i.test(what));
  const begins = statements.filter(({ what }) => /^begin\b/i.test(what)).length;
  if (commit < 0 || (parts !== 'relay' && begins !== 1))
    throw new Error(
      `${name}: ${begins} transactions instead of one, so that the points would not be the same each time`,
    );
  const others = steps.filter(({ kind }) => kind !== 'statement');
  return [...statements.slice(0, commit + 1), ...others].flatMap((step) => SIDES.map((side) => ({ ...step, side })));
}
