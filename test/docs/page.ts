/** Runs the command blocks of a page in their order, as a reader would paste them. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Program, ServiceProcess } from '../../tools/program/process';
import { until } from '../support/broker';
import { curlForScripts } from '../support/programs';

const CHECKOUT = resolve(__dirname, '../..');

/** A line that runs until it is stopped. */
const START = /^((?:\w+=\S+ )*)(?:\.\/)?onecontact start((?: --?[\w-]+(?: [\w-]+)?)*)\s*(?:#.*)?$/;

export interface Ran {
  /** All output of the block, without that of `start`. */
  output: string;
}

/** The blocks of a page in a language; by default, those for a shell. */
export function blocksOf(page: string, language = 'sh'): string[] {
  const text = readFileSync(resolve(CHECKOUT, page), 'utf8');
  const blocks = new RegExp(`^\`\`\`${language}\\n((?:.*\\n)*?)\`\`\`$`, 'gm');
  return [...text.matchAll(blocks)].map(([, block]) => block as string);
}

/** What pasted blocks run in: one folder, one environment, and the service that a line has started. */
export class Shell {
  #service: ServiceProcess | undefined;

  constructor(
    private readonly program: Program,
    private readonly folder: string,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  /** @throws Error when a command fails, with what it printed */
  async run(block: string): Promise<Ran> {
    let output = '';
    let commands: string[] = [];
    const flush = async (): Promise<void> => {
      if (commands.length > 0) output += await this.#bash(commands.join('\n'));
      commands = [];
    };
    for (const line of block.split('\n')) {
      const [, settings = '', options = ''] = START.exec(line) ?? [];
      if (!START.test(line)) {
        commands.push(line);
        continue;
      }
      await flush();
      await this.#start(
        options.trim().split(' ').filter(Boolean),
        Object.fromEntries(settings.trim().split(' ').filter(Boolean).map(splitSetting)),
      );
    }
    await flush();
    return { output };
  }

  /** Where the service that was started serves HTTP. */
  get url(): string | undefined {
    return this.#service?.url;
  }

  async stop(): Promise<void> {
    await this.#service?.stop();
    this.#service = undefined;
  }

  async #start(args: string[], settings: Record<string, string>): Promise<void> {
    await this.stop();
    const service = new ServiceProcess(this.program, { args, env: { ...this.env, ...settings } });
    this.#service = service;
    await until(async () => service.isUp || service.child.exitCode !== null, 60_000);
    if (!service.isUp) throw new Error(`start ended: ${service.out}${service.err}`);
  }

  async #bash(script: string): Promise<string> {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', `${await curlForScripts()}${script}`], {
      cwd: this.folder,
      env: { ...this.env, PATH: `${this.folder}:${process.env.PATH}`, HOME: process.env.HOME },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    return new Promise((done, fail) => {
      child.on('error', fail);
      child.on('close', (code) =>
        code === 0 ? done(output) : fail(new Error(`exit code ${code} of:\n${script}\nIt printed:\n${output}`)),
      );
    });
  }
}

const splitSetting = (text: string): [string, string] => {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
};
