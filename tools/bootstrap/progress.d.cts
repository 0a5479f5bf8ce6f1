/** Runs `work`; meanwhile `state()` is shown on stderr again and again. */
export function withProgress<T>(state: () => string, work: () => Promise<T>): Promise<T>;
/** To be called before anything else is written to the terminal. */
export function clearProgress(): void;
/** The bytes in a folder, at any depth. */
export function sizeOf(folder: string): number;
/** `12 of 43 MB` */
export function bytesOf(done: number, total: number): string;
/** A function that says how long ago this was called: `12 s`. */
export function stopwatch(): () => string;
