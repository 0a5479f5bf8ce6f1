/** Runs `work` while no other process of this machine holds `file`. `onWait(pid)` is called once when another one does. */
export function withLock<T>(file: string, onWait: (pid: number) => void, work: () => Promise<T>): Promise<T>;
