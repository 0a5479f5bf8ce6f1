/** Runs `work` while no other process on this machine holds `file`. `onWait(pid)` is called once if another one does. */
export function withLock<T>(file: string, onWait: (pid: number) => void, work: () => Promise<T>): Promise<T>;
