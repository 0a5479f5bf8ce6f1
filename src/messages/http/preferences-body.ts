import type { ContactSnapshot } from '../../contacts/profile/contact-snapshot';
import type { PreferencesBody } from './schemas';

/** Only what a preference page needs, because anyone who has the link to the page can see it. */
export const preferencesBody = ({ view, primaryAsTyped }: ContactSnapshot): PreferencesBody => ({
  email: primaryAsTyped && masked(primaryAsTyped),
  newsletters: Object.fromEntries(
    [...view.newsletters].map(([name, { state, by }]) => [name, { state, pending: by === 'unconfirmed' }]),
  ),
  lang: view.profile.lang,
  country: view.profile.country,
  format: view.profile.format,
});

/** Enough for its reader to recognise an address: the first letters, and the last part of the domain. */
function masked(address: string): string {
  const at = address.lastIndexOf('@');
  const domain = address.slice(at + 1);
  const dot = domain.lastIndexOf('.');
  return `${hidden(address.slice(0, at))}@${hidden(domain)}${dot === -1 ? '' : domain.slice(dot)}`;
}

/** The result has the same length for every text. */
const hidden = (text: string): string => `${[...text][0] ?? ''}***`;
