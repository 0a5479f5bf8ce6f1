import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Whether the stamp in this file is of these inputs. */
export function hasStamp(checkout, file, inputs) {
  try {
    return readFileSync(join(checkout, file), 'utf8') === hash(inputs);
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

/** Notes that something was made of these inputs. A checkout that cannot be written is compared anew each time. */
export function stamp(checkout, file, inputs) {
  try {
    writeFileSync(join(checkout, file), hash(inputs));
  } catch (error) {
    if (error.code !== 'EACCES' && error.code !== 'EROFS' && error.code !== 'EPERM') throw error;
  }
}

/** By contents and not by times: a fresh clone and an unpacked archive have times that mean nothing. */
function hash(inputs) {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
}
