import type { WorkingSet } from '../../contacts/change-recorder';
import type { Act, ClaimEvent, ContactEvent } from '../../contacts/facts/event';
import { isRefusalAct } from '../../contacts/facts/facts';
import { accountsIn, addressesIn, insertableAddress, namedAddress } from '../../contacts/facts/record';
import type { ConnectedComponent } from '../../contacts/identity/connected-component';
import type { Command, ReleaseCommand, UnblockCommand, UndoRequest } from '../../contacts/merge/command';
import { loadContactIndex, lockAndLoad, type Scope } from '../../postgres/batch/lock-and-load';
import type { Queries } from '../../postgres/database';
import { ids } from '../../postgres/ids';
import { loadSinceMerge } from '../../postgres/tables/merge';

/** An event, or an operator's decision. */
export type Step = ContactEvent | ReleaseCommand | UnblockCommand | UndoRequest;

export interface LoadedSteps {
  state: WorkingSet;
  /** The given steps; each undo with what the ledger says about the time since its merge. */
  steps: (ContactEvent | Command)[];
  /** Whether a merge to undo was undone before. */
  alreadyUndone: boolean;
}

export const isEvent = (step: Step): step is ContactEvent =>
  step.kind === 'claim' || step.kind === 'deletion' || step.kind === 'newsletter';

/**
 * Locks and loads everything that some events or commands may touch. The number of statements does not depend on the
 * number of steps, except for undos: one each.
 *
 * @param trusts whether only events that usually move an address are looked up before the locks. This costs less, and is
 * tried first.
 */
export async function lockAndLoadSteps(
  tx: Queries,
  given: readonly Step[],
  erasureKey: string | null | undefined,
  { trusts = true }: { trusts?: boolean } = {},
): Promise<LoadedSteps> {
  const scope = scopeOf(given);
  const locked = await lockAndLoad(tx, { ...scope, erasureKey, ...(trusts && { isLocal }) });
  const { others, ...loaded } = await completeUndos(tx, given);
  const contactIndex = await loadContactIndex(tx, locked, scope.seeds, others);
  const { facts, rows, fresh, continuing } = locked;
  return { state: { facts, contactIndex, rows, fresh, continuing }, ...loaded };
}

/** Nearly every login, and the first event of nearly every account, names the one address that its account has. */
const isLocal = ({ trigger }: ClaimEvent): boolean => !MOVES.test(trigger.event);
const MOVES = /^(primaryEmail|profile)/;

/** Newsletter events at addresses touch only these addresses: the rest of their contacts is neither locked nor loaded. */
function scopeOf(steps: readonly Step[]): Scope {
  const events = steps.filter(isEvent);
  const commands = steps.filter((step) => !isEvent(step));
  const named = namedIn(events);
  const byCommands = namedBy(commands);
  // These addresses are locked if they are stored, and never inserted.
  const perhapsStored = events.flatMap((event) => (insertableAddress(event) ? [] : (namedAddress(event)?.key ?? [])));
  const byToken = events.flatMap(tokenIn);
  const claims = events.filter((event) => event.kind === 'claim');
  const deletions = events.filter((event) => event.kind === 'deletion');
  // Commands may write any claim, so all claims are loaded, and none is left out as continuing.
  const claimed = commands.length > 0 ? claims : [];
  const seeds = {
    addresses: [...claimed.map(({ address }) => address.key), ...perhapsStored, ...byCommands.addresses],
    uids: [...[...claimed, ...deletions].map(({ uid }) => uid), ...byCommands.uids],
    tokens: [...new Set(byToken.map(({ token }) => token))],
    ids: [...new Set(byToken.flatMap(({ token, act }) => (isRefusalAct(act) ? token : [])))],
  };
  const isNarrow = named.uids.size + seeds.tokens.length + perhapsStored.length + commands.length === 0;
  return {
    named,
    ...newRowsOf(events),
    seeds: isNarrow ? null : seeds,
    ...(commands.length === 0 && { ownership: { claims, deletions } }),
  };
}

const tokenIn = (event: ContactEvent): { token: string; act: Act }[] =>
  event.kind === 'newsletter' && 'token' in event.to ? [{ token: event.to.token, act: event.act }] : [];

/** The addresses and accounts that commands name, all of them stored. */
function namedBy(commands: readonly Exclude<Step, ContactEvent>[]): ConnectedComponent {
  const named: ConnectedComponent = { addresses: [], uids: [] };
  for (const command of commands) {
    if (command.kind === 'undo') {
      const { addresses, uid, claimant } = command.merge;
      named.addresses.push(...addresses);
      named.uids.push(uid, ...(claimant === null ? [] : [claimant]));
    } else {
      named.addresses.push(command.address);
      named.uids.push(command.uid);
    }
  }
  return named;
}

/** The addresses and accounts that events may add to the stored ones. */
function namedIn(events: readonly ContactEvent[]): Scope['named'] {
  const [addresses, uids] = [new Set<string>(), new Set<string>()];
  for (const event of events) {
    const address = insertableAddress(event);
    if (address) addresses.add(address.key);
    if (event.kind !== 'newsletter') uids.add(event.uid);
  }
  return { addresses, uids };
}

/**
 * A new account gets the contact id of the first address that comes with it: if both are new they share the contact, and
 * neither row has to be written again.
 */
function newRowsOf(events: readonly ContactEvent[]): Pick<Scope, 'newAddresses' | 'newAccounts'> {
  const contactOf = new Map<string, string>();
  const withContact = (key: string): string => {
    const id = contactOf.get(key) ?? ids.contact();
    contactOf.set(key, id);
    return id;
  };
  return {
    newAddresses: (missing) =>
      Array.from(addressesIn(events, missing), (facts) => ({ facts, contactId: withContact(facts.address) })),
    newAccounts: (missing) => {
      const named = new Set<string>();
      for (const event of events) {
        const address = insertableAddress(event)?.key ?? '';
        const id = named.has(address) ? undefined : contactOf.get(address);
        named.add(address);
        if (id === undefined || event.kind === 'newsletter' || contactOf.has(event.uid)) continue;
        if (missing.has(event.uid)) contactOf.set(event.uid, id);
      }
      return Array.from(accountsIn(events, missing), (facts) => ({ facts, contactId: withContact(facts.uid) }));
    },
  };
}

/** Under the locks: what each undo needs from the merge ledger, and the contacts it concerns. */
async function completeUndos(
  tx: Queries,
  given: readonly Step[],
): Promise<Omit<LoadedSteps, 'state'> & { others: string[] }> {
  const steps: LoadedSteps['steps'] = [];
  const others: string[] = [];
  let alreadyUndone = false;
  for (const step of given) {
    if (step.kind !== 'undo') {
      steps.push(step);
      continue;
    }
    const { undone, superseded, followers } = await loadSinceMerge(tx, step.merge.id);
    steps.push({ ...step, superseded: superseded || undone, followers });
    others.push(step.merge.survivorId, step.merge.retiredId, ...followers);
    alreadyUndone ||= undone;
  }
  return { steps, alreadyUndone, others };
}
