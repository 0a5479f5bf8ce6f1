/** Contacts as boxes of text, at most 77 columns wide. */
import type { Contact } from '../../src/client';
import { shortUid } from './messages';

const BOX = 36;
const GAP = 5;
const LABEL = 12;
const MIDDLE = BOX / 2;
/** Where the lines of two boxes meet: the middle of both and the gap between. */
const MEETING = (2 * BOX + GAP - 1) / 2;

/** The end of a contact's id, because ids begin with the time; tokens are random from the start. */
export const shortId = (id: string): string => `…${id.slice(-8)}`;
export const shortToken = (token: string): string => `${token.slice(0, 8)}…`;

interface Box {
  title: string;
  contact: Contact;
}

/** What became of one contact, side by side; or of two, which became the one below them. */
export function picture(before: readonly Contact[], after: Contact): string[] {
  const result = { title: 'after', contact: after };
  const [first, ...others] = before.map((contact, i) => {
    const title = before.length > 1 ? `before: record ${i + 1} of ${before.length}` : 'before';
    return { title, contact };
  });
  if (!first) return beside([result]);
  if (others.length === 0) return beside([first, result], '──▶');

  const above = beside([first, ...others]);
  const second = BOX + GAP + MIDDLE;
  const bottom = put(put(above.at(-1) as string, MIDDLE, '┬'), second, '┬');
  const join = put(`${' '.repeat(MIDDLE)}└${'─'.repeat(second - MIDDLE - 1)}┘`, MEETING, '┬');
  const below = beside([result]).map((line) => ' '.repeat(MEETING - MIDDLE) + line);
  return [...above.slice(0, -1), bottom, join, `${' '.repeat(MEETING)}▼`, ...below];
}

/** The same field of all boxes is on the same line. An arrow points from box to box at half their height. */
function beside(boxes: readonly Box[], arrow = ''): string[] {
  const columns = boxes.map(({ contact }) => fieldsOf(contact));
  const heights = (columns[0] ?? []).map((_, i) => Math.max(...columns.map((column) => column[i]?.values.length ?? 0)));
  const drawn = boxes.map(({ title }, i) => {
    const lines = columns[i]?.flatMap(({ name, values }, field) =>
      Array.from({ length: heights[field] ?? 0 }, (_, line) => {
        const label = line === 0 ? name : '';
        return `│ ${(label.padEnd(LABEL) + (values[line] ?? '')).padEnd(BOX - 4)} │`;
      }),
    );
    return [`┌${` ${title} `.padEnd(BOX - 2, '─')}┐`, ...(lines ?? []), `└${'─'.repeat(BOX - 2)}┘`];
  });
  const rows = drawn[0] ?? [];
  return rows.map((_, row) => {
    const between = row === Math.floor(rows.length / 2) ? ` ${arrow} ` : '';
    return drawn.map((lines) => lines[row]).join(between.padEnd(GAP));
  });
}

function fieldsOf(contact: Contact): { name: string; values: string[] }[] {
  const primary = contact.emails.filter((email) => email.primary).map(({ address }) => address);
  const others = contact.emails.filter((email) => !email.primary).map(({ address }) => address);
  const newsletters = Object.entries(contact.newsletters).map(([name, { state }]) =>
    state === 'subscribed' ? name : `${name}: ${state}`,
  );
  const orDash = (values: string[]): string[] => (values.length > 0 ? values : ['-']);
  return [
    { name: 'contact', values: [shortId(contact.contact_id)] },
    { name: 'account', values: [contact.account_id ? shortUid(contact.account_id) : '-'] },
    { name: 'address', values: orDash(primary) },
    { name: 'also', values: orDash(others) },
    { name: 'newsletters', values: orDash(newsletters) },
    { name: 'token', values: [shortToken(contact.basket_token)] },
  ];
}

const put = (line: string, at: number, char: string): string => line.slice(0, at) + char + line.slice(at + 1);
