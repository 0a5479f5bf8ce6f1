/** Why each value of two merged contacts won, and what lost: what the ledger keeps for people. */
import type { Facts } from './facts';
import type { MergePlan } from './merge';

export type Explanation = Record<string, never>;

export const explainMerge = (_plan: MergePlan, _facts: Facts): Explanation => ({});
