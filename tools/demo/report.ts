import type { ContactBody } from '../../src/messages/outgoing/contact-body';
import { table } from '../../src/operations/render';
import { type Sent, shortUid } from './messages';

interface ReportOptions {
  print: (line: string) => void;
  colour: boolean;
}

const CODES = { bold: 1, dim: 2, red: 31, green: 32, cyan: 36 };
const HEADINGS = ['CONTACT', 'TOKEN', 'ACCOUNT', 'ADDRESSES (* primary)', 'NEWSLETTERS'];

/** The end of a contact's id, because ids begin with the time; tokens are random from the start. */
const shortId = (id: string): string => `…${id.slice(-8)}`;
export const shortToken = (token: string): string => `${token.slice(0, 8)}…`;

/** Prints the demo's output and counts its checks. */
export class Report {
  passed = 0;
  failed = 0;
  readonly #options: ReportOptions;
  #scenes = 0;

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  say(text: string): void {
    this.#options.print(text);
  }

  /** A remark beside the scenes. */
  note(text: string): void {
    for (const line of text.split('\n')) this.say(`  ${this.paint('dim', line)}`);
  }

  heading(text: string): void {
    this.say(`\n${this.paint('bold', text)}`);
  }

  scene(title: string, why: readonly string[]): void {
    this.#scenes += 1;
    this.heading(`${this.#scenes}  ${title}`);
    for (const line of why) this.say(`   ${line}`);
    this.say('');
  }

  event({ exchange, routingKey, summary }: Sent): void {
    this.say(`   ${this.paint('cyan', '→')} ${exchange.padEnd(18)} ${routingKey.padEnd(23)} ${summary}`.trimEnd());
  }

  /** A table of contacts, one a line. */
  contacts(when: string, contacts: readonly ContactBody[]): void {
    const rows = contacts.map((contact) => [
      shortId(contact.contact_id),
      shortToken(contact.basket_token ?? ''),
      contact.account_id ? shortUid(contact.account_id) : '-',
      contact.emails.map(({ address, primary }) => (primary ? `${address}*` : address)).join(' '),
      states(contact),
    ]);
    const [headings = '', ...lines] = table([HEADINGS, ...rows]);
    this.say(`\n   ${when}`);
    this.say(`     ${this.paint('dim', headings)}`);
    for (const line of lines) this.say(`     ${line}`);
    this.say('');
  }

  json(title: string, value: unknown): void {
    this.say(`\n   ${title}`);
    for (const line of JSON.stringify(value, null, 2).split('\n')) this.say(`     ${this.paint('dim', line)}`);
  }

  mail(mail: string): void {
    for (const line of mail.split('\n')) this.say(`     ${this.paint('dim', line)}`.trimEnd());
    this.say('');
  }

  /** @param expected printed only if the check fails */
  check(what: string, holds: boolean, expected = 'this to be so'): void {
    if (holds) {
      this.passed += 1;
      this.say(`   ${this.paint('green', '✓')} ${what}`);
    } else {
      this.failed += 1;
      this.say(`   ${this.paint('red', '✗')} ${what}`);
      this.say(`     ${this.paint('red', `expected ${expected}`)}`);
    }
  }

  paint(style: keyof typeof CODES, text: string): string {
    return this.#options.colour && text !== '' ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text;
  }
}

function states({ newsletters }: ContactBody): string {
  const all = Object.entries(newsletters).map(([name, { state }]) => (state === 'subscribed' ? name : `${name} (no)`));
  return all.join(', ') || '-';
}
