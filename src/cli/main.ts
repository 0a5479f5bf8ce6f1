#!/usr/bin/env node
import { run } from './run';

// When the reader has gone away, the failing write reports it; an unhandled 'error' event would print a stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

void run(process.argv.slice(2), process).then((code) => {
  process.exitCode = code;
});
