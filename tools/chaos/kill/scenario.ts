import { createHash } from 'node:crypto';
import { FXA_QUEUE, MAILER_QUEUE, NEWSLETTER_QUEUE } from '../../../src/rabbitmq/names';
import { bothSides, type Point, type Step } from '../../proxy/breakpoint';
import { allRows, canonicalRows, keepRows, type Row } from '../../table-rows';
import { readContacts } from '../checks/checks';
import { deadLetterProblems, takeDeadLetters } from '../checks/dead-letters';
import { differences } from '../checks/expected';
import type { Message } from '../load/message';
import { type KillEnvironment, until } from './environment';
import type { InterceptedWorker } from './worker';

export interface Task {
  name: string;
  /** The parts of the worker to kill; its successor also runs a relay. */
  parts: 'fxa' | 'newsletter' | 'relay';
  messages: readonly Message[];
}

/** Everything that exists when the work is done. */
interface End {
  /** Rows and notifications, without what differs between runs. */
  canonical: string[];
  contacts: string[];
  /** Deliveries to the mailer, and their distinct message ids. */
  deliveries: number;
  ids: number;
  /** Dead letters beyond the expected number. */
  copies: number;
  problems: string[];
}

export interface Outcome {
  /** Whether the killed worker left the database unchanged, or with all changes. */
  left: 'before' | 'after' | 'neither';
  /** Notifications that the mailer received again. */
  repeated: number;
  copies: number;
  problems: string[];
  ms: number;
}

const WORK_QUEUES = { fxa: FXA_QUEUE, newsletter: NEWSLETTER_QUEUE, relay: undefined };

/** A task, performed once undisturbed and then once for each point of a kill. */
export class Scenario {
  points: Point[] = [];
  #start: Row[] = [];
  #after: string[] = [];
  #end!: End;

  private constructor(
    readonly task: Task,
    private readonly environment: KillEnvironment,
    /** Restores the rows with which it starts. */
    readonly restore: () => Promise<void>,
  ) {}

  /** It always starts with the present rows. */
  static async from(task: Task, environment: KillEnvironment): Promise<Scenario> {
    const scenario = new Scenario(task, environment, await keepRows(environment, `kept_${task.parts}`));
    await scenario.#undisturbed();
    return scenario;
  }

  /** The canonical export of the undisturbed run. */
  get contacts(): readonly string[] {
    return this.#end.contacts;
  }

  /** Notifications of the undisturbed run. */
  get notifications(): number {
    return this.#end.ids;
  }

  /** Kills a worker at the point, lets its successor complete the work, and compares. */
  async run(point: Point): Promise<Outcome> {
    const begin = performance.now();
    const { environment, task } = this;
    const [killed, next] = await this.#begin();
    killed.release(point, task.messages.length);
    const where = `the worker comes to ${point.side} ${point.kind} ${point.nr}`;
    await until(where, () => killed.ending !== undefined);
    await killed.disconnected();
    await environment.requeued();
    const left = this.#leftBy(await allRows(environment));
    const end = await this.#complete(next);
    const problems = [...end.problems, ...this.#problemsOf(end)];
    if (!killed.breakpoint.hit) problems.push(`it ended by itself: ${JSON.stringify(killed.ending)}`);
    if (left === 'neither') problems.push('the database was neither before nor after');
    await killed.end();
    const { ids, deliveries, copies } = end;
    return { left, repeated: deliveries - ids, copies, problems, ms: performance.now() - begin };
  }

  async #begin(): Promise<[InterceptedWorker, InterceptedWorker]> {
    const { environment, task } = this;
    // Starting takes longest, so the successor starts at the same time.
    const workers = await Promise.all([
      environment.worker(task.parts),
      environment.worker(task.parts === 'relay' ? 'relay' : `${task.parts},relay`),
    ]);
    await this.restore();
    await environment.emptyQueues();
    await environment.publish(task.messages);
    this.#start = await allRows(environment);
    return workers;
  }

  async #undisturbed(): Promise<void> {
    const { environment, task } = this;
    const [first, next] = await this.#begin();
    first.release(null, task.messages.length);
    await until('everything is done', async () =>
      task.parts === 'relay'
        ? (await environment.outbox()) === 0
        : first.broker.acknowledged === task.messages.length && task.messages.length > 0,
    );
    this.points = pointsOf(first.breakpoint.steps, task);
    await first.stop();
    await environment.requeued();
    this.#after = canonicalRows(await allRows(environment), this.#start);
    this.#end = await this.#complete(next);
    const problems = [...this.#end.problems];
    if (this.#end.ids !== this.#end.deliveries) problems.push('the mailer got something twice');
    if (problems.length > 0) throw new Error(`${task.name}, undisturbed: ${problems.join('; ')}`);
    await first.end();
  }

  #leftBy(rows: Row[]): Outcome['left'] {
    if (JSON.stringify(rows) === JSON.stringify(this.#start)) return 'before';
    return isSame(canonicalRows(rows, this.#start), this.#after) ? 'after' : 'neither';
  }

  async #complete(next: InterceptedWorker): Promise<End> {
    const { environment, task } = this;
    const queue = WORK_QUEUES[task.parts];
    const left = queue === undefined ? 0 : ((await environment.queues()).get(queue)?.messages ?? 0);
    next.release(null, left);
    await until(
      'the next worker completes it',
      async () => next.broker.acknowledged >= left && (await environment.outbox()) === 0,
    );
    await next.stop();
    await environment.requeued();
    const end = await this.#inspect();
    if (next.ending?.code !== 0) end.problems.push(`the next worker ended with ${JSON.stringify(next.ending)}`);
    await next.end();
    return end;
  }

  async #inspect(): Promise<End> {
    const { environment, task } = this;
    const letters = await takeDeadLetters(environment.channel);
    const invalid = task.messages.filter((message) => message.is === 'invalid');
    const reasons = new Map(invalid.map(({ id, reason }) => [id, reason ?? '']));
    const problems = deadLetterProblems(reasons, letters).map((problem) => `dead letter ${problem}`);

    const mail = new Map<string, { row: Row; hash: string }>();
    let deliveries = 0;
    for (;;) {
      const message = await environment.channel.get(MAILER_QUEUE, { noAck: true });
      if (!message) break;
      deliveries += 1;
      const { messageId: id, type, headers } = message.properties;
      const hash = createHash('sha256').update(message.content).digest('hex');
      const known = mail.get(id);
      if (known && known.hash !== hash) problems.push(`notification ${id} has several bodies`);
      const body: unknown = JSON.parse(message.content.toString());
      mail.set(id, { row: { table: 'mailer', values: { id, type, headers, body } }, hash });
    }
    for (const [queue, { messages }] of await environment.queues()) {
      if (messages > 0) problems.push(`${messages} left in ${queue}`);
    }
    const rows = [...(await allRows(environment)), ...[...mail.values()].map(({ row }) => row)];
    const { lines: contacts } = await readContacts(environment.db);
    const copies = letters.length - invalid.length;
    return { canonical: canonicalRows(rows, this.#start), contacts, deliveries, ids: mail.size, copies, problems };
  }

  #problemsOf({ canonical, contacts }: End): string[] {
    const problems = differences(this.#end.canonical, canonical);
    if (problems.length === 0 && !isSame(canonical, this.#end.canonical)) problems.push('something is there twice');
    if (!isSame(contacts, this.#end.contacts)) problems.unshift('the canonical export differs');
    return problems;
  }
}

const isSame = (a: readonly string[], b: readonly string[]): boolean => a.join('\n') === b.join('\n');

/** Before and after each statement of the transaction that does the work, and each exchange with the broker. */
function pointsOf(steps: readonly Step[], { name, parts }: Task): Point[] {
  const statements = steps.filter(({ kind }) => kind === 'statement');
  const commit = statements.findIndex(({ what }) => /^commit\b/i.test(what));
  const begins = statements.filter(({ what }) => /^begin\b/i.test(what)).length;
  if (commit < 0 || (parts !== 'relay' && begins !== 1))
    throw new Error(
      `${name}: ${begins} transactions instead of one, so that the points would not be the same each time`,
    );
  const others = steps.filter(({ kind }) => kind !== 'statement');
  return [...statements.slice(0, commit + 1), ...others].flatMap(bothSides);
}
