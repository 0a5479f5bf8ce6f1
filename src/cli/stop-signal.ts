/** Ctrl-C in a terminal reaches the process twice, because npm forwards its own signal. */
const SAME_REQUEST_MS = 2_000;

/**
 * Resolves with the first SIGTERM or SIGINT. A signal 2 s or more later is a request to give up: it ends the process at
 * once, with exit code 1.
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
