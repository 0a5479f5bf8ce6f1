import { readFileSync } from 'node:fs';

/** The most memory that a process has had, in bytes; null if it has ended, and where the system is not Linux. */
export function peakMemory(pid: number | undefined): number | null {
  try {
    const [, kb] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kb === undefined ? null : 1_024 * Number(kb);
  } catch {
    return null;
  }
}
