// Preloaded into a worker: a message that contains `poison` kills the process at once, like a defect that takes the whole
// process down (out of memory, a crash of native code).
const { parse } = JSON;
JSON.parse = (text, ...rest) => {
  if (typeof text === 'string' && text.includes('"poison')) process.kill(process.pid, 'SIGKILL');
  return parse(text, ...rest);
};
