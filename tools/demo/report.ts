import type { Contact } from '../../src/client';
import type { Sent } from './messages';
import { picture } from './picture';

interface ReportOptions {
  print: (line: string) => void;
  colour: boolean;
  /** Shows messages and mails in full. */
  verbose: boolean;
}

const CODES = { bold: 1, dim: 2, red: 31, green: 32, cyan: 36 };
/** The width of the longest sentence about an event. */
const SENTENCE = 50;

/** Prints the demo's output and counts its checks. */
export class Report {
  passed = 0;
  failed = 0;
  readonly #options: ReportOptions;
  #scenes = 0;
  #interrupted = false;
  #isShown = false;

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  say(text: string): void {
    if (!this.#interrupted) this.#options.print(text);
  }

  /** A remark beside the scenes. */
  note(text: string): void {
    for (const line of text.split('\n')) this.say(`  ${this.paint('dim', line)}`);
  }

  heading(text: string): void {
    this.say(`\n${this.paint('bold', text)}`);
  }

  /** @param reference where the problem was described */
  scene(title: string, why: readonly string[], reference: string): void {
    this.#scenes += 1;
    this.heading(`${this.#scenes}  ${title}`);
    for (const line of why.slice(0, -1)) this.say(`   ${line}`);
    this.say(`   ${why.at(-1)} ${this.paint('dim', `(${reference})`)}\n`);
  }

  event({ exchange, routingKey, body, summary }: Sent): void {
    this.say(`   ${this.paint('cyan', '→')} ${summary.padEnd(SENTENCE)} ${this.paint('dim', routingKey)}`);
    if (this.#options.verbose) this.#dim(`to the exchange ${exchange}:\n${JSON.stringify(body, null, 2)}`);
  }

  /** What became of one or two contacts. */
  contacts(before: readonly Contact[], after: Contact): void {
    this.say('');
    for (const line of picture(before, after)) this.say(`   ${line}`);
    this.say('');
  }

  /** The fields of a message that matter most; with `verbose` all of it. */
  message(title: string, fields: Readonly<Record<string, string>>, body: unknown): void {
    this.say(`\n   ${title}`);
    if (this.#options.verbose) this.#dim(JSON.stringify(body, null, 2));
    else for (const [name, value] of Object.entries(fields)) this.say(`     ${name.padEnd(20)}  ${value}`);
    this.say('');
  }

  mail({ to, subject, text }: { to: string; subject: string; text: string }): void {
    this.say(`     To: ${to}\n     Subject: ${subject}`);
    if (this.#options.verbose) this.#dim(`\n${text}`);
  }

  #dim(text: string): void {
    for (const line of text.split('\n')) this.say(`     ${this.paint('dim', line)}`.trimEnd());
  }

  /** @param expected printed only if the check fails */
  check(what: string, holds: boolean, expected = 'this to be so'): void {
    if (holds) {
      this.passed += 1;
      this.say(`   ${this.paint('green', '✓')} ${what}`);
    } else {
      this.failed += 1;
      this.#options.print(`   ${this.paint('red', '✗')} ${what}`);
      this.#options.print(`     ${this.paint('red', `expected ${expected}`)}`);
    }
  }

  /**
   * From now on only failed checks are printed.
   *
   * @returns whether everything had been shown
   */
  interrupt(): boolean {
    this.say(this.#isShown ? '\nClosing the console, cleaning up …' : '\nInterrupted: cleaning up …');
    this.#interrupted = true;
    return this.#isShown;
  }

  /** Everything has been shown: the demo continues until its user ends it. */
  shown(): void {
    this.#isShown = true;
  }

  paint(style: keyof typeof CODES, text: string): string {
    return this.#options.colour && text !== '' ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text;
  }
}
