import { once } from 'node:events';

/** A stream to write to, such as `process.stdout`. */
export interface Sink {
  write(text: string): boolean;
  isTTY?: boolean | undefined;
  once(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** All that a command sees of the process it runs in. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  stdout: Sink & NodeJS.EventEmitter;
  stderr: Sink & NodeJS.EventEmitter;
  stdin?: ({ isTTY?: boolean | undefined } & Partial<AsyncIterable<Uint8Array>>) | undefined;
}

/** Writes, and waits while the reader is slower. Rejects when the reader has gone away. */
export async function write(sink: Terminal['stdout'], text: string): Promise<void> {
  if (!sink.write(text)) await once(sink, 'drain');
}

/** Whether to use colours: on a terminal, unless somebody asks not to (https://no-color.org). */
export const wantsColour = ({ env, stdout }: Terminal): boolean =>
  stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';

/** What others typed, for a person's terminal: characters that would steer it are made visible. */
export const harmless = (text: string): string => text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, '\ufffd');

/** So many things, for people. */
export const count = (n: number, thing: string): string => `${n.toLocaleString('en')} ${thing}${n === 1 ? '' : 's'}`;
