/** The commands that the pages name, in code spans and in shell blocks. */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { onecontact } from '../support/command-line';
import { blocksOf } from './page';

const CHECKOUT = resolve(__dirname, '../..');

/** All pages for people. */
export const PAGES: readonly string[] = [
  ...readdirSync(CHECKOUT),
  ...['docs', 'deploy', 'examples'].flatMap((folder) =>
    readdirSync(resolve(CHECKOUT, folder), { recursive: true }).map((path) => `${folder}/${path}`),
  ),
].filter((path) => path.endsWith('.md'));

/** Those with commands for operators. */
export const OPERATOR_PAGES: readonly string[] = [
  ...['docs/operations.md', 'docs/recovery.md', 'docs/scaling.md'],
  ...['deploy/rabbitmq/README.md', 'deploy/kubernetes/README.md'],
];

/** The code of a page: the lines of its blocks for a shell, and its spans. */
export function codeOf(page: string): string[] {
  const text = readFileSync(resolve(CHECKOUT, page), 'utf8');
  const spans = text.replace(/^```.*?^```$/gms, '').match(/(?<=`)[^`]+(?=`)/g) ?? [];
  return [...blocksOf(page).flatMap((block) => block.split('\n')), ...spans].map((code) =>
    code.replaceAll(/\s+/g, ' '),
  );
}

export interface Mention {
  /** As it stands on the page. */
  text: string;
  command: string;
  words: string[];
}

const helps = new Map<string, Promise<string>>();
const helpOf = (command: string): Promise<string> => {
  const help =
    helps.get(command) ?? onecontact([...command.split(' ').filter(Boolean), '--help']).then(({ out }) => out);
  helps.set(command, help);
  return help;
};

const subcommandsOf = async (command: string): Promise<string[]> => {
  const help = await helpOf(command);
  if (!help.includes('[command]')) return [];
  return [...help.matchAll(/^ {2}([a-z][a-z-]+) /gm)].map(([, name]) => name as string);
};

export const optionsOf = async (command: string): Promise<string[]> =>
  [...(await helpOf(command)).matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, name]) => name as string);

/** The program's name with everything before it, and what follows a command in a shell. */
const PROGRAM = /^(?:.*[ /])?onecontact(?::local)? (?=[a-z])/;
const REST = / (?:[#|>;&]|<<).*/;

/** The commands of `onecontact` that a page names, with or without the program's name before them. */
export async function mentionsOn(page: string): Promise<Mention[]> {
  const mentions: Mention[] = [];
  for (const text of codeOf(page)) {
    const mention = await parse(text, text.replace(PROGRAM, '').replace(REST, ''));
    if (mention) mentions.push(mention);
  }
  return mentions;
}

/** All commands, and the groups of commands. */
export async function allCommands(command = ''): Promise<string[]> {
  const names = (await subcommandsOf(command)).filter((name) => name !== 'help');
  const below = await Promise.all(names.map((name) => allCommands(`${command} ${name}`.trim())));
  return [command, ...below.flat()];
}

/** The examples in the help of a command. */
export async function examplesOf(command: string): Promise<Mention[]> {
  const lines = (await helpOf(command)).match(/(?<=^ {2}\$ ).*/gm) ?? [];
  const parsed = lines.map((line) => parse(line, line.replace(PROGRAM, '').replace(REST, '')));
  return (await Promise.all(parsed)).flatMap((mention) => mention ?? []);
}

async function parse(text: string, line: string): Promise<Mention | undefined> {
  const words = line.split(' ');
  let command = '';
  while ((await subcommandsOf(command)).includes(words[0] as string)) command = `${command} ${words.shift()}`.trim();
  return command === '' ? undefined : { text, command, words };
}

/** @returns what is wrong with it: a sentence, or nothing */
export async function problemOf({ text, command, words }: Mention): Promise<string | undefined> {
  const [next = '-'] = words;
  if ((await subcommandsOf(command)).length > 0 && !next.startsWith('-')) return `${text}: ${command} has no ${next}`;
  const options = await optionsOf(command);
  const unknown = words.find((word) => word.startsWith('--') && word !== '--' && !options.includes(optionIn(word)));
  return unknown === undefined ? undefined : `${text}: ${command} has no option ${unknown}`;
}

export const optionIn = (word: string): string => word.split('=')[0] as string;
