/** What a page says after a change. */
export const PRIVACY_NOTICES = {
  opted_out: 'Done: the reader is opted out of all email.',
  already: 'Nothing was changed: staff had opted the reader out before, and that is still in force.',
} as const;
