import type { Command } from 'commander';
import { type BadLine, badLinesText, problemOf, readAddressList } from '../address-list';
import { authorOf, withReason } from '../audited';
import type { Context } from '../context';
import { withMerging } from '../merging';
import { makePace, makeProgress } from '../progress';
import { count, number } from '../render';
import { type Addressee, addresseeOf, type OptOutResult, optOut } from './run';

interface Options {
  file?: string;
  reason: string;
  dryRun?: true;
  json?: true;
}

export function addOptOut(program: Command, context: Context): void {
  const command = withReason(program.command('opt-out'), { required: true })
    .description('Opt people out of all email at their request')
    .argument('[email...]', 'an address of each person')
    .option('--file <file>', 'read the addresses from this text file instead, one per line')
    .option('--dry-run', 'show what would be done, without changing anything')
    .option('--json', 'print the numbers and every unusable line as JSON')
    .addHelpText(
      'after',
      `
Needs DATABASE_URL. Has the same effect as an unsubscribe from all email: the opt-out follows the person through merges, and only a later proof of consent lifts it. An unknown address gets a contact. The reason is stored with the choice, which the person may see, and in the audit.

Running the command again changes nothing. A line that is not an address is reported with its number; the other lines are done, and the command exits with 1.

Examples:
  $ onecontact opt-out ada@mail.test --reason 'asked by letter'
  $ onecontact opt-out --file suppressed.txt --reason 'list of the former mailer' --dry-run`,
    )
    .action(async (emails: string[], options: Options) => {
      const { file, reason, dryRun = false, json } = options;
      const hasAddresses = emails.length > 0;
      if (hasAddresses === (file !== undefined)) command.error('error: name either addresses or a --file');
      const bad: BadLine[] = [];
      const people: { line: number; to: Addressee }[] = [];
      const lines = file === undefined ? emails.map((text, i) => ({ line: i + 1, text })) : await readAddressList(file);
      for (const { line, text } of lines) {
        const to = addresseeOf(text);
        if (typeof to !== 'string') people.push({ line, to });
        else if (file === undefined) command.error(`error: the address ${to}`);
        else bad.push({ line, problem: `the address ${to}` });
      }
      const results: Record<OptOutResult, number> = { opted_out: 0, new: 0, already: 0 };
      const author = authorOf(context.env, reason);
      await withMerging(context.env, dryRun, async (db, apply) => {
        const progress = makeProgress(context.stderr);
        const pace = makePace();
        try {
          for (const [i, { line, to }] of people.entries()) {
            const result = await optOut(db, to, author, apply).catch((error) => ({ problem: problemOf(error) }));
            if (typeof result === 'object') bad.push({ line, ...result });
            else results[result] += 1;
            progress.show(`${count(i + 1, 'address')}, ${pace(i + 1, (i + 1) / people.length)}`);
          }
        } finally {
          progress.clear();
        }
      });
      if (bad.length > 0) context.exitCode = 1;
      bad.sort((a, b) => a.line - b.line);
      const body = {
        opted_out: results.opted_out + results.new,
        unknown: results.new,
        already: results.already,
        invalid: bad,
        dry_run: dryRun,
      };
      await context.answer({ json }, body, () => textOf(body, file !== undefined));
    });
}

interface Body {
  opted_out: number;
  unknown: number;
  already: number;
  invalid: BadLine[];
  dry_run: boolean;
}

function textOf({ opted_out, unknown, already, invalid, dry_run }: Body, fromFile: boolean): string {
  const made = `${number(unknown)} ${unknown === 1 ? 'was' : 'were'} unknown and ${dry_run ? 'would get' : 'got'} a contact`;
  const lines = [
    `${dry_run ? 'Would opt out' : 'Opted out'} ${count(opted_out, 'address')}${unknown > 0 ? `, of which ${made}` : ''}.`,
    ...(already > 0 ? [`${count(already, 'address')} had been opted out with this command before.`] : []),
    ...(fromFile ? badLinesText(invalid) : invalid.map(({ problem }) => `Not done: ${problem}.`)),
    ...(dry_run ? ['Nothing was changed.'] : []),
  ];
  return `${lines.join('\n')}\n`;
}
