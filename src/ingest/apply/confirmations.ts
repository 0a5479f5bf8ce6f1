/** The sign-ups of a batch that their readers have to confirm: `contact.confirmation_needed`. */
import type { ChangeSet, SignUp, WorkingSet } from '../../contacts/change-recorder';
import { originKey } from '../../contacts/facts/facts';
import type { ConfirmationNotification } from '../../contacts/merge/notification';
import { type ContactSnapshot, contactSnapshot } from '../../contacts/profile/contact-snapshot';
import { contactView, needsConfirmation } from '../../contacts/profile/contact-view';
import type { Queries } from '../../postgres/database';
import { loadSnapshots } from '../../postgres/look-ups/find-contact';
import { areStored } from '../../postgres/tables/choice';

/**
 * The sign-ups that are not stored yet, each once, however often it is in the batch. Call it before the changes are
 * saved.
 */
export async function newSignUps(
  tx: Queries,
  signUps: readonly SignUp[],
  fresh: WorkingSet['fresh'],
): Promise<SignUp[]> {
  const distinct = [...new Map(signUps.map((signUp) => [keyOf(signUp), signUp])).values()];
  const isFresh = ({ origin: { kind, key } }: SignUp): boolean => kind === 'address' && fresh.address.has(key);
  const keys = distinct.flatMap((signUp) => {
    const { event, origin } = signUp;
    return isFresh(signUp) ? [] : event.newsletters.map((newsletter) => ({ signUp, origin, newsletter, at: event.at }));
  });
  const stored = await areStored(tx, keys);
  const isNew = new Set(keys.flatMap(({ signUp }, place) => (stored[place] ? [] : signUp)));
  return distinct.filter((signUp) => isFresh(signUp) || isNew.has(signUp));
}

const keyOf = ({ event: { at, newsletters }, origin }: SignUp): string =>
  JSON.stringify([originKey(origin), at, newsletters]);

/** Call it once the changes are saved. */
export async function confirmationsOf(
  tx: Queries,
  signUps: readonly SignUp[],
  changes: ChangeSet,
  state: WorkingSet,
): Promise<ConfirmationNotification[]> {
  if (signUps.length === 0) return [];
  const known = snapshotsOfNew(signUps, changes, state);
  const idOf = ({ origin }: SignUp): string | undefined => changes.contactOfOrigin.get(origin.key);
  const others = new Set(signUps.flatMap((signUp) => idOf(signUp) ?? []).filter((id) => !known.has(id)));
  if (others.size > 0) for (const contact of await loadSnapshots(tx, [...others])) known.set(contact.id, contact);
  return signUps.flatMap((signUp): ConfirmationNotification[] => {
    const contact = known.get(idOf(signUp) ?? '');
    if (!contact || !needsConfirmation(contact.view)) return [];
    const { at, trigger, newsletters } = signUp.event;
    const wanted = newsletters.filter((name) => contact.view.newsletters.get(name)?.state === 'subscribed');
    if (wanted.length === 0) return [];
    return [{ kind: 'confirmation_needed', contact, newsletters: wanted, cause: { trigger, at } }];
  });
}

/** If a new address is a contact of its own, all its facts are in the batch, so nothing has to be read. */
function snapshotsOfNew(
  signUps: readonly SignUp[],
  { choices }: ChangeSet,
  { facts, contactIndex, fresh }: WorkingSet,
): Map<string, ContactSnapshot> {
  const snapshots = new Map<string, ContactSnapshot>();
  const addresses = new Set(
    signUps.flatMap(({ origin: { kind, key } }) => (kind === 'address' && fresh.address.has(key) ? key : [])),
  );
  for (const choice of choices) if (addresses.has(choice.origin.key)) facts.addChoice(choice);
  for (const address of addresses) {
    const contact = contactIndex.ofAddress(address);
    const isAlone = contact && !contact.known && contactIndex.accountOf(contact) === null;
    if (!isAlone || contact.token === null || contactIndex.addressesOf(contact).length > 1) continue;
    const view = contactView(facts, { uid: null, addresses: [address] });
    snapshots.set(contact.id, contactSnapshot({ id: contact.id, token: contact.token.id, version: 1 }, view, facts));
  }
  return snapshots;
}
