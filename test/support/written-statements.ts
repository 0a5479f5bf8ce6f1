/** The statements that stand in the source, to compare with those that ran. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync, type TaggedTemplateExpression } from '@swc/core';
import { oneLine } from './plans';

export interface WrittenStatement {
  file: string;
  /** Its constant text, between the values. */
  parts: readonly string[];
}

/** Statements, and parts of statements that have an access to a table of their own. */
const READS = /\b(?:FROM|JOIN|INTO|UPDATE) [a-z_(]/;

export function writtenStatements(): WrittenStatement[] {
  return readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.includes('generated'))
    .map((file) => join('src', file))
    .flatMap((file) => {
      const templates = templatesOf(parseSync(readFileSync(file, 'utf8'), { syntax: 'typescript' }));
      return templates
        .map((texts) => ({ file, parts: texts.filter(isTelling) }))
        .filter(({ parts }) => parts.some((part) => READS.test(part)));
    });
}

/** A short text, such as `SELECT` alone, is in every statement. */
const isTelling = (text: string): boolean => text.length > 10;

/** Whether a statement that ran has all the text of one that is written. */
export const isPartOf = ({ parts }: WrittenStatement, ran: string): boolean =>
  parts.every((part) => ran.includes(part));

/** The templates of a syntax tree that are SQL. */
function templatesOf(node: unknown): string[][] {
  if (typeof node !== 'object' || node === null) return [];
  const inside = Object.values(node).flatMap(templatesOf);
  if (!('type' in node) || node.type !== 'TaggedTemplateExpression') return inside;
  const { tag, template } = node as TaggedTemplateExpression;
  const isSql =
    tag.type === 'MemberExpression' &&
    tag.property.type === 'Identifier' &&
    ['sql', '$queryRaw', '$executeRaw'].includes(tag.property.value);
  return isSql ? [template.quasis.map(({ raw }) => oneLine(raw)), ...inside] : inside;
}
