import { access, mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { run } from './command';
import { Unavailable } from './types';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * apt-get as an ordinary user, with lists and downloads in its own folder: it reads the machine's sources and changes
 * nothing on the machine. It takes no package for installed, so it names all dependencies.
 */
export class Apt {
  private constructor(
    private readonly folder: string,
    private readonly options: string[],
    readonly release: string,
  ) {}

  /** Packages of this Debian release, or, on a relative of Debian, of the machine's own release. */
  static async in(folder: string, suite: string): Promise<Apt> {
    const mirror = await debianMirror();
    await mkdir(join(folder, 'lists/partial'), { recursive: true });
    await mkdir(join(folder, 'cache/archives/partial'), { recursive: true });
    await writeFile(join(folder, 'status'), '');
    const options = {
      'Dir::State::lists': join(folder, 'lists'),
      'Dir::State::status': join(folder, 'status'),
      'Dir::Cache': join(folder, 'cache'),
      'Debug::NoLocking': '1',
      'APT::Sandbox::User': userInfo().username, // else root's apt becomes another user, who may not enter the folder
      'Acquire::Languages': 'none',
      'Acquire::Retries': '2',
      'Acquire::http::Timeout': '20',
      'Acquire::https::Timeout': '20',
      ...(mirror && {
        'Dir::Etc::SourceList': join(folder, 'sources.list'),
        'Dir::Etc::SourceParts': '/nonexistent',
        'Acquire::Check-Valid-Until': 'false', // a frozen mirror is still signed
      }),
    };
    if (mirror) await writeFile(join(folder, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
    return new Apt(
      folder,
      Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
      mirror ? `Debian ${suite}` : "this machine's release",
    );
  }

  async update(): Promise<void> {
    await this.apt('update', '-o', 'APT::Update::Error-Mode=any');
  }

  /** The packages, dependencies included, and their sizes. */
  async wouldInstall(names: string[]): Promise<{ name: string; bytes: number }[]> {
    const lines = await this.apt('install', '--print-uris', '--no-install-recommends', ...names);
    return [...lines.matchAll(/^'[^']+' ([^_\s]+)_\S+ (\d+)/gm)].map(([, name, bytes]) => ({
      name: decodeURIComponent(name!),
      bytes: Number(bytes),
    }));
  }

  /** Saves the packages' files in the folder. */
  async download(names: string[]): Promise<void> {
    await this.apt('download', ...names);
  }

  private async apt(command: string, ...args: string[]): Promise<string> {
    try {
      return await run('apt-get', [command, '-qq', '-y', ...this.options, ...args], { cwd: this.folder });
    } catch (error) {
      throw new Unavailable((error as Error).message);
    }
  }
}

/** The Debian mirror that this machine uses, if it can also check the signatures. */
async function debianMirror(): Promise<string | undefined> {
  const uris = (await run('apt-get', ['indextargets', '--format', '$(REPO_URI)'])).split('\n');
  const mirror = uris.find((uri) => /\/debian\/?$/.test(uri));
  return access(KEYRING).then(
    () => mirror,
    () => undefined,
  );
}
