import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Apt } from './apt';
import { cached } from './cache';
import { findProgram, pathFolders, run } from './command';
import { relocate } from './relocate';
import { programsOf, type RabbitPrograms } from './run-rabbitmq';
import { type Context, Unavailable } from './types';

/** Debian's release with RabbitMQ 4.0. */
const SUITE = 'trixie';

/** What the broker itself is made of, and what its programs link to: they run with the C library of their own release. */
const BROKER = /^(erlang-.*|rabbitmq-server)$/;
const RUNTIME = /^(libc6|libstdc\+\+6|libgcc-s1|libtinfo6|zlib1g|libssl3(t64)?|libzstd1|libsctp1|patchelf)$/;

/** RabbitMQ's programs, fetched into the cache: Debian's packages, unpacked but not installed, without root. */
export async function fetchRabbit(context: Context): Promise<RabbitPrograms> {
  const home = await cached(
    {
      name: `rabbitmq-${SUITE}-${process.arch}`,
      fill: (part, final) => fill(part, final, context),
      check: async (final) => {
        const script = 'application:ensure_all_started(crypto), halt().';
        await run(erl(final), ['-noshell', '-eval', script], { cwd: '/', env: { ...process.env, HOME: final } });
      },
    },
    context,
  );
  return programsOf(join(home, 'usr/lib/rabbitmq/bin/rabbitmq-server'), erl(home), context.env);
}

const erl = (home: string): string => join(home, 'usr/lib/erlang/bin/erl');

async function fill(part: string, final: string, context: Context): Promise<void> {
  for (const tool of ['apt-get', 'dpkg'])
    if (!(await findProgram(tool, pathFolders(context.env))))
      throw new Unavailable(`RabbitMQ can be fetched only on Debian and its relatives (${tool} is not there)`);
  const work = join(part, 'work');
  await mkdir(work);
  const apt = await Apt.in(work, SUITE);
  await apt.update();
  const packages = (await apt.wouldInstall(['rabbitmq-server', 'libsctp1', 'patchelf'])).filter(
    ({ name }) => BROKER.test(name) || RUNTIME.test(name),
  );
  const megabytes = Math.round(packages.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6);
  context.log(`RabbitMQ: fetching the packages of ${apt.release} into ${dirname(final)} (${megabytes} MB, once) ...`);
  await apt.download(packages.map(({ name }) => name));

  const runtime = join(part, 'runtime');
  for (const file of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
    const name = file.slice(0, file.indexOf('_'));
    await run('dpkg', ['-x', join(work, file), BROKER.test(name) ? part : runtime]);
  }
  for (const folder of [work, join(part, 'usr/share'), join(runtime, 'usr/share')])
    await rm(folder, { recursive: true, force: true });
  await relocate({ part, final, erlang: 'usr/lib/erlang', runtime: 'runtime' });
}
