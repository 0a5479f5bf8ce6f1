import { type Context, type Kind, type Service, SOURCES, type Source, Unavailable } from './types';

/** A server from the first source that has one. */
export async function resolve(kind: Kind, context: Context): Promise<Service & { source: Source }> {
  const reasons: string[] = [];
  for (const source of allowedSources(context.env)) {
    const begin = performance.now();
    try {
      const service = await kind.sources[source](context);
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      context.log(`${service.version} ready in ${seconds} s (${source})`);
      return { ...service, source };
    } catch (error) {
      const { message } = error as Error;
      if (source === 'url' && !(error instanceof Unavailable)) throw error; // who names a server wants that one
      // What is simply not there needs no line of its own; what went wrong does, because another server is used now.
      if (!(error instanceof Unavailable)) context.log(`${kind.name}: not from ${source}: ${message}`);
      reasons.push(`  ${source}: ${message}`);
    }
  }
  throw new Error(
    `There is no ${kind.name} to work with. What was tried:\n${reasons.join('\n')}\n` +
      `Set ${kind.variable} to an empty one, or start Docker, or install ${kind.name}, or make what failed above work.`,
  );
}

/** All of them, or those that ONECONTACT_SERVICES lists. */
function allowedSources(env: NodeJS.ProcessEnv): Source[] {
  const wanted = (env.ONECONTACT_SERVICES || undefined)?.split(',').map((name) => name.trim());
  const unknown = wanted?.find((name) => !SOURCES.some((source) => source === name));
  if (unknown !== undefined)
    throw new Error(`ONECONTACT_SERVICES names "${unknown}"; it is a list of ${SOURCES.join(', ')}`);
  return SOURCES.filter((source) => !wanted || wanted.includes(source));
}
