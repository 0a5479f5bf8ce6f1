/** The published schemas, used like another program would use them. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';

// Every published format has an equivalent pattern.
const ajv = new Ajv({ validateFormats: false, strictTypes: false, allErrors: true });
const compiled = new Map<string, ValidateFunction>();

/** The problems of a value by contracts/NAME.schema.json. */
export function problemsOf(name: string, value: unknown): string[] {
  let validate = compiled.get(name);
  if (!validate) {
    const file = resolve(__dirname, `../../contracts/${name}.schema.json`);
    validate = ajv.compile(JSON.parse(readFileSync(file, 'utf8')));
    compiled.set(name, validate);
  }
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
