/** What stands in the audit for a name of an erased person. */
const PREFIX = 'erased:';

/** The same for the same name, so that `audit --address` still finds it. */
export const erasedName = (hash: string): string => PREFIX + hash;

/** The hash in an erased name; undefined for any other text. */
export const hashIn = (text: string): string | undefined =>
  text.startsWith(PREFIX) ? text.slice(PREFIX.length) : undefined;
