// Loaded before a process's own program: when whoever started it is gone, in whatever way, so is the process.
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).on('error', () => undefined);
process.stdin.resume();
process.stdin.unref?.();
