/** The text that replaces a name of an erased person in the audit. */
const PREFIX = 'erased:';

/** The result is the same for the same name, so that `audit --address` still finds it. */
export const erasedName = (hash: string): string => PREFIX + hash;

/** The hash in an erased name; undefined for any other text. */
export const hashIn = (text: string): string | undefined =>
  text.startsWith(PREFIX) ? text.slice(PREFIX.length) : undefined;
