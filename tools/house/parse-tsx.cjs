/**
 * For `node --require`: dependency-cruiser has the parser read every file as TypeScript without JSX, and offers no option.
 * This tells it which files have JSX.
 */
const swc = require('@swc/core');

const { parseFileSync } = swc;
swc.parseFileSync = (file, options) => parseFileSync(file, { ...options, tsx: file.endsWith('.tsx') });
