/** The fields that a waitlist asked for besides the address: a flat object. */
import { isJsonObject, type JsonObject } from './decoded';

export const MAX_KEYS = 20;
export const MAX_KEY = 64;
export const MAX_VALUE = 200;

export const WAITLIST_FIELDS_BOUNDS =
  `must be an object of at most ${MAX_KEYS} texts, numbers and booleans, ` +
  `with keys of at most ${MAX_KEY} and texts of at most ${MAX_VALUE} characters`;

export function isWaitlistFields(value: unknown): value is JsonObject | null | undefined {
  if (value === undefined || value === null) return true;
  if (!isJsonObject(value)) return false;
  const entries = Object.entries(value);
  return entries.length <= MAX_KEYS && entries.every(([key, field]) => key.length <= MAX_KEY && isScalar(field));
}

function isScalar(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= MAX_VALUE;
  return value === null || typeof value === 'boolean' || Number.isFinite(value);
}

/**
 * The same text for the same fields: sorted keys, no spaces, and ASCII, so that the database and this code sort it in the
 * same way. Fields that are null are left out; null if none is left.
 */
export function canonicalFields(fields: JsonObject | null | undefined): string | null {
  const entries = Object.entries(fields ?? {}).filter(([, value]) => value !== null);
  if (entries.length === 0) return null;
  const pairs = entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return `{${pairs.join(',')}}`.replace(NON_ASCII, escaped);
}

const NON_ASCII = /[\u007f-\uffff]/g;
const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
