import { bytesOf } from '../bootstrap/progress.cjs';

/** What an engine reports while it pulls an image, layer by layer. */
export interface PullEvent {
  id?: string;
  status?: string;
  progressDetail?: { current?: number; total?: number };
}

/** How much of an image has been downloaded. The total grows while the engine starts on further layers. */
export class PullProgress {
  readonly #layers = new Map<string, { current: number; total: number }>();

  add({ id, status, progressDetail }: PullEvent): void {
    if (id === undefined) return;
    const known = this.#layers.get(id);
    const { current, total } = progressDetail ?? {};
    if (status === 'Downloading' && current !== undefined && total !== undefined)
      this.#layers.set(id, { current, total });
    else if (status === 'Download complete' && known) this.#layers.set(id, { ...known, current: known.total });
  }

  toString(): string {
    let [done, all] = [0, 0];
    for (const { current, total } of this.#layers.values()) {
      done += current;
      all += total;
    }
    return bytesOf(done, all);
  }
}
