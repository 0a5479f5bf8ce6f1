/** On the global object, because Jest loads the setup and the teardown separately. */
const KEY = Symbol.for('onecontact.teardown');
const shared = globalThis as { [KEY]?: (() => Promise<void>) | undefined };

export function onTeardown(work: () => Promise<void>): void {
  shared[KEY] = work;
}

export default async function globalTeardown(): Promise<void> {
  const work = shared[KEY];
  shared[KEY] = undefined;
  await work?.();
}
