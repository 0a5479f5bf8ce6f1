import type { Command } from 'commander';

/** The width if the output is not a terminal. */
const WIDTH = 80;

/**
 * Wraps the paragraphs of a help text to the width of the terminal. Headings and lines that begin with spaces stay
 * unchanged.
 */
export function wrapHelp(text: string, program: Command): string {
  const width = program.configureOutput().getOutHelpWidth?.() ?? WIDTH;
  const help = program.createHelp();
  const lines: string[] = [];
  let paragraph: string[] = [];
  const flush = (): void => {
    if (paragraph.length > 0) lines.push(help.boxWrap(paragraph.join(' '), width));
    paragraph = [];
  };
  for (const line of text.split('\n')) {
    const isText = /^\S/.test(line);
    const isHeading = paragraph.length === 0 && line.endsWith(':') && line.length <= width;
    if (isText && !isHeading) {
      paragraph.push(line);
      continue;
    }
    flush();
    lines.push(line);
  }
  flush();
  return lines.join('\n');
}
