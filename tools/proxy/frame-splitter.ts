/** Cuts one direction of a connection into frames, wherever the network splits it. */
export class FrameSplitter {
  #rest = Buffer.alloc(0);
  #isFirst = true;

  /** @param lengthOf the length of the frame that `rest` starts with; undefined while its head is incomplete */
  constructor(private readonly lengthOf: (rest: Buffer, isFirst: boolean) => number | undefined) {}

  *split(bytes: Buffer): Iterable<{ bytes: Buffer; isFirst: boolean }> {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const length = this.lengthOf(this.#rest, this.#isFirst);
      if (length === undefined || this.#rest.length < length) return;
      const frame = { bytes: this.#rest.subarray(0, length), isFirst: this.#isFirst };
      this.#rest = this.#rest.subarray(length);
      this.#isFirst = false;
      yield frame;
    }
  }
}
