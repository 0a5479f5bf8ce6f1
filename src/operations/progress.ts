import type { Terminal } from './terminal';

/** One line that is written over and over, where somebody sees it. */
export function makeProgress(sink: Terminal['stderr']): { show(text: string): void; clear(): void } {
  const put = (text: string): void => {
    if (sink.isTTY) sink.write(`\r\x1b[K${text}`);
  };
  return { show: put, clear: () => put('') };
}
