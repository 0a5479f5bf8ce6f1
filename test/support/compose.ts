import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './programs';

const ROOT = join(__dirname, '../..');

export interface ComposeService {
  image?: string;
  build?: { target?: string };
  command?: string[] | null;
  environment?: Record<string, string>;
  configs?: { source: string; target: string }[];
  depends_on?: Record<string, { condition: string }>;
  ports?: { host_ip: string; target: number }[];
  profiles?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  mem_limit?: string;
}
export interface Compose {
  services: Record<string, ComposeService>;
  configs: Record<string, { content?: string; file?: string }>;
}

/** compose.yaml with all its profiles, as Docker Compose itself reads it: with its defaults filled in. */
export async function readCompose(): Promise<Compose> {
  const args = ['--file', join(ROOT, 'compose.yaml'), '--profile', '*', 'config', '--format', 'json'];
  return JSON.parse(await runProgram('compose', args)) as Compose;
}

/** The files that a service gets below a folder, in the order in which it reads them. */
export async function filesOf({ services, configs }: Compose, service: string, folder: string) {
  const mounted = (services[service]?.configs ?? []).filter(({ target }) => target.startsWith(`${folder}/`));
  const files = mounted.map(async ({ source, target }) => {
    const { content, file } = configs[source] ?? {};
    return { name: target.slice(folder.length + 1), text: content ?? (await readFile(file as string, 'utf8')) };
  });
  return (await Promise.all(files)).sort((a, b) => (a.name < b.name ? -1 : 1));
}
