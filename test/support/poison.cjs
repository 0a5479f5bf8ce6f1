// Loaded before a worker's own program: it then dies of a message that says `poison`, at once and without a word, as of
// a defect that takes the whole process down (out of memory, a crash of native code).
const { parse } = JSON;
JSON.parse = (text, ...rest) => {
  if (typeof text === 'string' && text.includes('"poison')) process.kill(process.pid, 'SIGKILL');
  return parse(text, ...rest);
};
