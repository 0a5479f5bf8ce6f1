import { randomUUID } from 'node:crypto';
import type { Address, ContactEvent } from '../contacts/facts/event';
import { within } from '../foundation/timeout';
import type { Database } from '../postgres/database';
import { type ApplyOptions, applyBatch } from './apply/transaction';

/** The made-up events usually take a few milliseconds. A database that needs longer than this is slow for everything. */
const SOON_MS = 5_000;

/**
 * Whether the database handles other events, when some took too long: applies a sign-up and a claim with invented names, and
 * rolls them back. They go through the same statements, plans, tables and indexes; `SELECT 1` would not.
 */
export function handlesOthers(db: Database, { tokenPolicy, observes, erasureKey }: ApplyOptions): Promise<boolean> {
  const options = { tokenPolicy, observes, ...(erasureKey !== undefined && { erasureKey }), dryRun: true };
  const applied = applyBatch(db, madeUpEvents(), options).then(
    () => true,
    () => false,
  );
  return within(SOON_MS, applied, false);
}

/** The names differ each time, so that two processes that ask at once do not wait for each other. */
function madeUpEvents(): ContactEvent[] {
  const [id, at] = [randomUUID(), Date.now()];
  const addressOf = (person: string): Address => {
    const address = `${person}.${id}@made-up.invalid`;
    return { key: address, typed: address };
  };
  const signUp = { source: 'newsletter', event: 'newsletter.subscribe', id } as const;
  const claim = { source: 'fxa', event: 'verified', id } as const;
  return [
    {
      ...{ kind: 'newsletter', trigger: signUp, at, to: { address: addressOf('reader') } },
      ...{ act: 'subscribe', newsletters: ['made-up'], proven: false, profile: {} },
    },
    { kind: 'claim', trigger: claim, at, uid: id.replaceAll('-', ''), address: addressOf('owner'), newsletters: [] },
  ];
}
