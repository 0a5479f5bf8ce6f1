// Loaded before a process's program: the process ends with its parent, however the parent ends.
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).on('error', () => undefined);
process.stdin.resume();
process.stdin.unref?.();
