#!/usr/bin/env node
import { run } from './run';

// If the reader of the output has gone away, the failing write reports it. An unhandled 'error' event would print a
// stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

void run(process.argv.slice(2), process).then((code) => {
  process.exitCode = code;
});
