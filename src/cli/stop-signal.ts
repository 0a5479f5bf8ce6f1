/** A terminal's Ctrl-C reaches npm and us, and npm passes its own on: the same request, twice. */
const SAME_REQUEST_MS = 2_000;

/**
 * Resolves when the process is asked to stop (SIGTERM, SIGINT). Asked again, 2 s or more later, it ends at once with
 * exit code 1: somebody has lost patience.
 */
export function stopRequested(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let first: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (first === undefined) {
        first = performance.now();
        resolve(signal);
      } else if (performance.now() - first >= SAME_REQUEST_MS) {
        process.exit(1);
      }
    };
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  });
}
