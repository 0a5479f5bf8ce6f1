import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs a program to its end without showing what it writes, unless it fails. */
export async function runQuietly(command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${output.trim()}\n${command} ${args.join(' ')}: ${signal ?? `exit code ${code}`}`);
}
