import { readdirSync, readFileSync } from 'node:fs';
import type { Client } from 'pg';

/** Seconds of processor time since their start, of the servers that run on this machine. */
export interface ServerTime {
  postgresql: number | null;
  rabbitmq: number | null;
}

/** Linux counts in these. */
const TICKS_PER_SECOND = 100;

/** Null for a server whose processes cannot be found: another system, another machine. */
export async function serverTime(client: Client, amqpUrl: string): Promise<ServerTime> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const processes = readProcesses();
  const postmaster = processes.find(({ pid }) => pid === rows[0]?.pid)?.parent;
  const port = `RABBITMQ_NODE_PORT=${new URL(amqpUrl).port}`;
  const broker = processes.filter(({ pid, name }) => name.startsWith('beam') && environmentOf(pid).includes(port));
  const sum = (list: typeof processes): number | null =>
    list.length === 0 ? null : list.reduce((total, { seconds }) => total + seconds, 0);
  return {
    postgresql: sum(processes.filter(({ parent }) => postmaster !== undefined && parent === postmaster)),
    rabbitmq: sum(broker),
  };
}

interface SystemProcess {
  pid: number;
  parent: number;
  name: string;
  seconds: number;
}

function readProcesses(): SystemProcess[] {
  try {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .flatMap((entry) => readProcess(Number(entry)));
  } catch {
    return []; // not Linux
  }
}

function readProcess(pid: number): SystemProcess[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [begin, end] = [text.indexOf('('), text.lastIndexOf(')')];
    const fields = text.slice(end + 2).split(' '); // from the third on
    const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    return [{ pid, parent: Number(fields[1]), name: text.slice(begin + 1, end), seconds }];
  } catch {
    return []; // ended meanwhile
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}
