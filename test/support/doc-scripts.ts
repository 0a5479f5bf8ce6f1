/** Runs the shell scripts of the pages, with commands of their own that the test answers. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { curlForScripts } from './programs';

/** A command of a script, by its words. @returns what it prints @throws Error, which ends the script */
export type Command = (...words: string[]) => Promise<string>;

export interface DocScripts {
  /** @returns what the script printed */
  run(script: string, env?: NodeJS.ProcessEnv, cwd?: string): Promise<string>;
  close(): void;
}

const HAND_ON = `
  fetch(process.env.COMMANDS, { method: "POST", body: JSON.stringify(process.argv.slice(1)) }).then(async (answer) => {
    const text = await answer.text();
    if (!answer.ok) throw new Error(text);
    process.stdout.write(text);
  })`;

/** @param commands by their names in the scripts */
export async function docScripts(commands: Readonly<Record<string, Command>>): Promise<DocScripts> {
  const server = createServer(async (request, response) => {
    const [name, ...words] = JSON.parse(await text(request)) as [string, ...string[]];
    const printed = (commands[name] as Command)(...words);
    await printed.then(
      (output) => response.writeHead(200).end(output),
      ({ message }: Error) => response.writeHead(500).end(message),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const functions = Object.keys(commands).map((name) => `${name}() { "$NODE" -e '${HAND_ON}' -- ${name} "$@"; }\n`);
  const curl = await curlForScripts();
  const { port } = server.address() as AddressInfo;
  return {
    async run(script, env = {}, cwd = process.cwd()) {
      const known = { PATH: process.env.PATH, NODE: process.execPath, COMMANDS: `http://127.0.0.1:${port}` };
      const args = ['-euo', 'pipefail', '-c', `${curl}${functions.join('')}${script}`];
      return (await promisify(execFile)('bash', args, { env: { ...known, ...env }, cwd })).stdout;
    },
    close: () => void server.close(),
  };
}
