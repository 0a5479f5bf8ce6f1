#!/usr/bin/env node
import { run } from './run';

// A reader that went away is noticed by the write that fails; it is no reason for a stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

void run(process.argv.slice(2), process).then((code) => {
  process.exitCode = code;
});
