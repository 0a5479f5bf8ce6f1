/** The servers' costs: processor time of their processes, and the cost of each SQL statement. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Client } from 'pg';

/** Seconds of processor time since the start of servers on this machine; null for one whose processes are not found. */
export interface ServerTime {
  postgresql: number | null;
  rabbitmq: number | null;
}

/** The unit of times in /proc. */
const TICKS_PER_SECOND = 100;
/** /proc/PID/stat: name, state, parent, nine more fields, user and system time. */
const STAT = /\((.*)\) \S (\d+) (?:\S+ ){9}(\d+) (\d+)/s;

export async function serverTime(client: Client, amqpUrl: string): Promise<ServerTime> {
  const { rows } = await client.query<{ pid: string }>('SELECT pg_backend_pid()::text AS pid');
  const processes = readProcesses();
  const postmaster = processes.find(({ pid }) => pid === rows[0]?.pid)?.parent;
  const port = `RABBITMQ_NODE_PORT=${new URL(amqpUrl).port}`;
  const sum = (list: typeof processes): number | null =>
    list.length === 0 ? null : list.reduce((total, { seconds }) => total + seconds, 0);
  return {
    postgresql: sum(processes.filter(({ parent }) => postmaster !== undefined && parent === postmaster)),
    rabbitmq: sum(processes.filter((it) => it.name.startsWith('beam') && read(it.pid, 'environ').includes(port))),
  };
}

export function spentBetween(before: ServerTime, after: ServerTime): ServerTime {
  const spent = (name: keyof ServerTime): number | null =>
    after[name] === null || before[name] === null ? null : after[name] - before[name];
  return { postgresql: spent('postgresql'), rabbitmq: spent('rabbitmq') };
}

function readProcesses(): { pid: string; parent: string; name: string; seconds: number }[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((pid) => {
    const [, name = '', parent = '', user, system] = STAT.exec(/^\d+$/.test(pid) ? read(pid, 'stat') : '') ?? [];
    return parent ? { pid, parent, name, seconds: (Number(user) + Number(system)) / TICKS_PER_SECOND } : [];
  });
}

/** A file of /proc/PID; empty if the process has ended or belongs to another user. */
function read(pid: string, file: 'stat' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** The cost of all calls of a statement. */
export interface StatementCost {
  query: string;
  calls: number;
  rows: number;
  /** Milliseconds. */
  planned: number;
  executed: number;
  /** Pages found in memory or read. */
  pages: number;
  walKb: number;
}

/** Settings that a server must be started with to count statements. */
export const STATEMENT_SETTINGS = [
  'shared_preload_libraries=pg_stat_statements',
  'pg_stat_statements.track_planning=on',
];

/** @returns whether the server can count statements */
export async function countStatements(client: Client): Promise<boolean> {
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    await client.query('SELECT pg_stat_statements_reset()');
    return true;
  } catch {
    return false;
  }
}

/** The most expensive first. */
export async function statementCosts(client: Client): Promise<StatementCost[]> {
  const { rows } = await client.query<StatementCost>(`
    SELECT regexp_replace(query, '\\s+', ' ', 'g') AS query, calls::int, rows::int, total_plan_time AS planned,
      total_exec_time AS executed, (shared_blks_hit + shared_blks_read)::int AS pages, (wal_bytes / 1024)::int AS "walKb"
    FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE '%pg_stat_statements%'
    ORDER BY total_exec_time + total_plan_time DESC`);
  return rows;
}
