/** Milliseconds of the machine's monotonic clock: the same in all processes, and nobody sets it. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;
