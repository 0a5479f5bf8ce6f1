/** Markdown for the pages of the reference: what schemas and examples look like to a person. */
import { z } from 'zod';

interface Schema {
  type?: string | string[];
  description?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
}

const TABLE_HEAD = '| Field | Type | Meaning |\n| --- | --- | --- |';

/** A table of all fields of a body; `[]` stands for an entry of a list, `*` for any name. */
export function fieldTable(schema: z.ZodType): string {
  const rows = rowsOf(z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }) as Schema, '');
  return rows.length === 0 ? 'Any content.' : [TABLE_HEAD, ...rows].join('\n');
}

export const jsonBlock = (value: unknown): string => `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``;

/** The alternatives of a schema, without null. Beside properties, they only say which are required together. */
const alternatives = (schema: Schema): Schema[] =>
  schema.properties ? [schema] : (schema.anyOf ?? [schema]).filter(({ type }) => type !== 'null');

function rowsOf(schema: Schema, prefix: string): string[] {
  return alternatives(schema).flatMap((each) => {
    const { properties = {}, required = [], items, additionalProperties: values } = each;
    const named = Object.entries(properties).flatMap(([name, field]) => {
      const path = prefix === '' ? name : `${prefix}.${name}`;
      return [rowOf(path, field, required.includes(name)), ...rowsOf(field, path)];
    });
    const listed = items ? rowsOf(items, `${prefix}[]`) : [];
    const others = typeof values === 'object' ? rowsOf(values, `${prefix}.*`) : [];
    return [...named, ...listed, ...others];
  });
}

function rowOf(path: string, field: Schema, isRequired: boolean): string {
  const cells = [`\`${path}\``, `${typeOf(field)}${isRequired ? '' : ', optional'}`, field.description ?? ''];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function typeOf(schema: Schema): string {
  const { anyOf, enum: values, const: value, type = [] } = schema;
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join(' or ');
  if (values) return values.map((each) => `\`${each}\``).join(', ');
  if (value !== undefined) return `\`${value}\``;
  return (
    [type]
      .flat()
      .map((name) => NAMES[name] ?? name)
      .join(' or ') || 'any'
  );
}

const NAMES: Record<string, string> = {
  string: 'text',
  integer: 'whole number',
  object: 'object',
  array: 'list',
  boolean: 'boolean',
  number: 'number',
  null: 'null',
};
