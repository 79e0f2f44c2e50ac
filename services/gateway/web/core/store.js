// What the browser keeps for us. Inside another page's frame, or where its owner forbids it, it keeps
// nothing: then this page's memory does, for as long as it is open.

const memory = new Map();

/** The kept text, or null. */
export function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return memory.get(name) ?? null;
  }
}

/** Keep a text; null forgets it. */
export function write(name, text) {
  try {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
  } catch {
    memory.set(name, text);
  }
}
