/** Aborted by the first Ctrl-C or SIGTERM: work in flight is finished and saved. A second signal ends the process. */
export function stopSignal(): { signal: AbortSignal; ignore(): void } {
  const stop = new AbortController();
  const ignore = (): void => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  const onSignal = (): void => {
    ignore();
    stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return { signal: stop.signal, ignore };
}
