/** A Chromium for tests and screenshots, as installed here or fetched into the cache from the machine's release of Debian. */
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../services/cache';
import { findProgram, pathFolders, run } from '../services/command';
import { unpackPackages } from '../services/debian';
import { type FetchedProgram, libraryPath } from '../services/fetch-programs';
import type { Context } from '../services/types';

/** The names under which Chromium is installed. Only packages of Debian have the first. */
export const CHROMIUMS = ['chromium-headless-shell', 'chromium', 'google-chrome', 'google-chrome-stable'];

/** The application's own folder on macOS, which is never on the PATH. */
const ON_MACOS = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** Chromium refuses to run as root inside its sandbox. */
export const SANDBOX_ARGS = process.getuid?.() === 0 ? ['--no-sandbox'] : [];

/** It has no window, and half the dependencies of the whole browser. */
const SHELL = 'chromium-headless-shell';
/** Without one, pages have boxes for letters. */
const FONTS = 'fonts-dejavu-core';

/** The C library is the machine's. Drivers of graphics cards are half of the download, and are loaded only for a card. */
const LEFT_OUT = /^lib(c6$|llvm|z3-|icu|gl1-mesa|glx-mesa)/;

const folderOf = (name: string): string | undefined => {
  if (name.startsWith('fonts-')) return 'fonts';
  const isWanted = name === SHELL || name === 'chromium-common' || (name.startsWith('lib') && !LEFT_OUT.test(name));
  return isWanted ? '.' : undefined;
};

export async function findChromium(context: Context): Promise<FetchedProgram> {
  const installed = await installedChromium(context.env);
  if (installed) return { path: installed, env: {} };
  const home = await cached(
    {
      name: `${SHELL}-${process.arch}`,
      fill: async (part, final) => {
        await mkdir(join(part, 'fonts'));
        await unpackPackages({ what: 'Chromium', packages: [SHELL, FONTS], folderOf }, part, context);
        await rm(join(part, 'usr/share'), { recursive: true, force: true });
        await writeFile(join(part, 'fonts.conf'), fontsIn(final));
      },
      check: async (final) => {
        const { path, env } = fetchedIn(final);
        const args = [...SANDBOX_ARGS, '--dump-dom', 'data:text/html,<p>It works</p>'];
        await run(path, args, { env: { ...process.env, ...env } });
      },
    },
    context,
  );
  return { home, ...fetchedIn(home) };
}

async function installedChromium(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const name of CHROMIUMS) {
    const path = await findProgram(name, pathFolders(env));
    if (path) return path;
  }
  return access(ON_MACOS).then(
    () => ON_MACOS,
    () => undefined,
  );
}

const fetchedIn = (home: string): FetchedProgram => ({
  path: join(home, 'usr/lib/chromium', SHELL),
  env: { LD_LIBRARY_PATH: libraryPath(home, 'pulseaudio'), FONTCONFIG_FILE: join(home, 'fonts.conf') },
});

/** The fetched fonts and no others, so that pages look the same everywhere. */
const fontsIn = (home: string): string => `<?xml version="1.0"?>
<fontconfig>
  <dir>${join(home, 'fonts')}</dir>
  <cachedir>${join(home, 'fonts-cache')}</cachedir>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
</fontconfig>
`;
