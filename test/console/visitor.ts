/** Moved to where use cases find it, too. */
export * from '../support/visitor';
