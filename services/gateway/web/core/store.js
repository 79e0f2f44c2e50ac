// What the browser keeps for us. Inside another page's frame, or where its owner forbids it, it keeps
// nothing: then this page's memory does, for as long as it is open.

const memory = new Map();

/** The kept text, or null. */
export function read(name) {
  if (memory.has(name)) return memory.get(name);
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keep a text; null forgets it. */
export function write(name, text) {
  try {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
    memory.delete(name);
  } catch {
    if (text === null) memory.delete(name);
    else memory.set(name, text);
  }
}

/** The names under which something is kept, of those that begin so. */
export function keys(prefix) {
  let kept = [];
  try {
    kept = Object.keys(localStorage);
  } catch {
    // Then all there is lies in memory.
  }
  return [...new Set([...kept, ...memory.keys()])].filter((name) => name.startsWith(prefix));
}
