import { getAlpha2Codes } from 'i18n-iso-countries/index';

/** ISO 3166-1 codes of two and of three letters, lower-case, to the code of two letters, lower-case. */
const ALPHA_2 = new Map(
  Object.entries(getAlpha2Codes()).flatMap(([two, three]) => {
    const code = two.toLowerCase();
    return [
      [code, code],
      [three.toLowerCase(), code],
    ];
  }),
);

/**
 * A country as ISO 3166-1 alpha-2, lower-case: two letters are checked, three are converted (as Basket does); undefined
 * when there is no such country.
 */
export function countryOf(code: string): string | undefined {
  return ALPHA_2.get(code.toLowerCase());
}
