/**
 * How the server carries out the statements of the code under test: the plans that it really used, with the rows that each
 * step read, as its module auto_explain reports them to every session of the database.
 */
import { Client } from 'pg';
import type { TestDatabase } from './database';

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  Filter?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Node[];
}

export interface Plan {
  /** The text of the statement, in one line. */
  statement: string;
  root: Node;
}

/** A table with as many rows as this must not be read as a whole. */
const LARGE = 10_000;
/** How many rows a step may read of a large table, whatever the table has: two for each contact of an export's page, and more. */
const FEW = 2_500;

export const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** Whether the server can report plans, and this user may ask for it. */
export async function canReportPlans({ sql }: TestDatabase): Promise<boolean> {
  try {
    await sql(`LOAD 'auto_explain'`);
    return true;
  } catch {
    return false;
  }
}

export class PlanRecorder {
  readonly plans: Plan[] = [];
  readonly #emit = Client.prototype.emit;

  private constructor(
    private readonly tables: ReadonlySet<string>,
    /** Of each index its table, and the column that an index condition must have. */
    private readonly indexes: ReadonlyMap<string, { table: string; column: string }>,
  ) {}

  /** Records the statements of all sessions that this process opens from now on. Call it once the tables are full. */
  static async start({ sql, alter }: TestDatabase): Promise<PlanRecorder> {
    await alter({
      session_preload_libraries: 'auto_explain',
      'auto_explain.log_level': 'notice',
      'auto_explain.log_format': 'json',
      'auto_explain.log_min_duration': '0',
      'auto_explain.log_analyze': 'on',
      'auto_explain.log_timing': 'off',
      // Foreign keys are checked by statements inside of others.
      'auto_explain.log_nested_statements': 'on',
    });
    const tables = await sql<{ name: string }>(
      `SELECT relname AS name FROM pg_class
       WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples >= $1`,
      [LARGE],
    );
    const indexes = await sql<{ name: string; table: string; column: string }>(
      `SELECT i.relname AS name, t.relname AS table, a.attname AS column
       FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_class t ON t.oid = indrelid
       JOIN pg_attribute a ON a.attrelid = indexrelid AND a.attnum = 1 WHERE t.relnamespace = 'public'::regnamespace`,
    );
    const recorder = new PlanRecorder(
      new Set(tables.map(({ name }) => name)),
      new Map(indexes.map(({ name, ...index }) => [name, index])),
    );
    recorder.#listen();
    return recorder;
  }

  /** The pools of the code under test open clients of their own: each reports its notices here first. */
  #listen(): void {
    const [emit, add] = [this.#emit, (message: string) => this.#add(message)];
    Client.prototype.emit = function (this: Client, event, ...args) {
      if (event === 'notice') add((args[0] as { message: string }).message);
      return emit.call(this, event, ...args);
    };
  }

  #add(message: string): void {
    const [, json] = /^duration: .* plan:\n(.+)$/s.exec(message) ?? [];
    if (json === undefined) return;
    const { 'Query Text': text, Plan: root } = JSON.parse(json) as { 'Query Text': string; Plan: Node };
    this.plans.push({ statement: oneLine(text), root });
  }

  stop(): void {
    Client.prototype.emit = this.#emit;
  }

  /** What a plan reads too much of: whole tables and indexes, and more rows of one than {@link FEW}. */
  problemsOf({ root }: Plan): string[] {
    return nodesOf(root).flatMap((node) => {
      const index = this.indexes.get(node['Index Name'] ?? '');
      const table = node['Relation Name'] ?? index?.table;
      if (table === undefined || !this.tables.has(table) || !isScan(node)) return [];
      const rows = rowsRead(node);
      if (rows > FEW) return [`${rows} rows of ${table} by ${node['Index Name'] ?? node['Node Type']}`];
      if (node['Node Type'].startsWith('Bitmap Heap') || node['Node Type'].startsWith('Tid')) return [];
      if (index === undefined) return [`all of ${table}`];
      const { 'Index Cond': condition = '', Filter: filter } = node;
      if (new RegExp(`\\b${index.column}\\b`).test(condition)) return [];
      // A LIMIT or an EXISTS has ended the scan, and no filter makes it read on.
      const isEnded = condition === '' && filter === undefined && node['Actual Loops'] > 0;
      return isEnded ? [] : [`all of ${node['Index Name']}, by ${condition || 'no condition'}`];
    });
  }

  /** The rows that statements read of all tables. */
  static rowsOf(plans: readonly Plan[]): number {
    return plans
      .flatMap(({ root }) => nodesOf(root))
      .filter(isScan)
      .reduce((sum, node) => sum + rowsRead(node), 0);
  }
}

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

const isScan = (node: Node): boolean =>
  node['Node Type'].endsWith('Scan') && (node['Relation Name'] ?? node['Index Name']) !== undefined;

const rowsRead = (node: Node): number =>
  Math.round(
    node['Actual Loops'] *
      (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)),
  );
