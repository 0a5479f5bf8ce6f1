const { join } = require('node:path');
const base = require('../../jest.config');

/**
 * The tests that start, kill and promote servers of their own: `npm run test:infra`.
 *
 * @type {import('jest').Config}
 */
module.exports = {
  ...base,
  rootDir: join(__dirname, '../..'),
  roots: ['<rootDir>/test/infra'],
  testMatch: ['**/*.test.ts', '**/*.infra.ts'],
  testPathIgnorePatterns: [],
  // Each test has several servers, and some measure how soon a fault is noticed.
  maxWorkers: 1,
  testTimeout: 300_000,
};
