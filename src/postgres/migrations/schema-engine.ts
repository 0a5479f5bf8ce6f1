import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ErrorCapturingSqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import type { SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';

export type { SchemaEngine };

/** The part of WebAssembly that is used here. Node's types lack it, and the browser's types would bring the whole DOM. */
declare const WebAssembly: {
  instantiate(code: Uint8Array, imports: object): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
};

type Glue = { SchemaEngine: unknown; __wbg_set_wasm(exports: unknown): void };

interface EngineFactory {
  new: (
    options: { datamodels: [string, string][] },
    log: (line: string) => void,
    adapter: unknown,
  ) => Promise<SchemaEngine>;
}

/** Loaded once per process: the JavaScript around the engine supports a single instance. */
let loaded: Promise<EngineFactory> | undefined;

/** Prisma's schema engine in its WebAssembly build, which needs no native binary, on a driver adapter. */
export async function startSchemaEngine(
  datamodels: [path: string, text: string][],
  adapter: ErrorCapturingSqlMigrationAwareDriverAdapterFactory,
): Promise<SchemaEngine> {
  loaded ??= load();
  return (await loaded).new({ datamodels }, () => undefined, adapter);
}

/**
 * The package's own entry imports the .wasm file as a module, which Node does not support, so its steps are repeated
 * here.
 */
async function load(): Promise<EngineFactory> {
  const glue = (await import('@prisma/schema-engine-wasm/schema_engine_bg')) as unknown as Glue;
  const folder = dirname(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg'));
  const code = await readFile(join(folder, 'schema_engine_bg.wasm'));
  const imports = Object.entries(glue).map(([name, value]) => [
    name,
    /^__wbg_setTimeout/.test(name) ? unref(value) : value,
  ]);
  const { instance } = await WebAssembly.instantiate(code, { './schema_engine_bg.js': Object.fromEntries(imports) });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return glue.SchemaEngine as EngineFactory;
}

/** The engine never clears the 10 s timer of its lock, which would keep the process alive. */
const unref = (setTimer: unknown) => (run: () => void, ms: number) =>
  (setTimer as (run: () => void, ms: number) => NodeJS.Timeout)(run, ms).unref();
