/** `npm run demo`: the whole service on a real broker and a real database. Exits with 1 if a check fails. */
import { runDemo } from './run';

const wantsColour = process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';

runDemo({ env: process.env, colour: wantsColour, print: (line) => void process.stdout.write(`${line}\n`) }).then(
  (passed) => {
    process.exitCode = passed ? 0 : 1;
  },
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
);
