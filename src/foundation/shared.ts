/** Makes concurrent calls, and calls up to `ms` after a run has ended, share one run and its result. */
export function shared<T>(ms: number, work: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | undefined;
  const forget = (): void => {
    current = undefined;
  };
  return () => {
    current ??= work().finally(() => setTimeout(forget, ms).unref());
    return current;
  };
}
