/** Bodies of the answers that are no contact, in the style that Basket's clients know; codes are Basket's too. */
const answer = (code: number, desc: string): string => JSON.stringify({ status: 'error', code, desc });

/** The one body for every key that opens no live contact: nobody can tell a retired one from one that never was. */
export const USER_NOT_FOUND = answer(4, 'User not found');
export const NO_SUCH_PAGE = answer(5, 'Not found');
export const NOT_AUTHORISED = answer(7, 'A valid API key is required');
export const BUSY = answer(99, 'Too busy or the database is away: try again');
export const FAILED = answer(99, 'Something went wrong here');

export const JSON_TYPE = 'application/json; charset=utf-8';

/** Of an answer that another moment may change: after so many seconds. */
export const RETRY_AFTER_SECONDS = '2';
