// Loaded before a worker's own program: when the chaos run is gone, in whatever way, so is the worker.
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).on('error', () => undefined);
process.stdin.resume();
process.stdin.unref?.();
