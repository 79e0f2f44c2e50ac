// Requests to the public API, and its problems (RFC 9457) as errors.

import { token } from "./session.js";

/** What the API refused, or "offline" when it could not be reached. `detail` is for people. */
export class Problem extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body, headers = new Headers()) {
    super(body?.detail || body?.title || `HTTP ${status}`);
    this.status = status;
    this.body = body ?? {};
    this.code = String(body?.type ?? "").split("/").pop() || `http-${status}`;
    this.field = body?.errors?.[0]?.field ?? body?.field ?? "";
    this.retryAfterS = Number(headers.get("retry-after")) || 0;
  }

  /** Whether the same request may go well later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const OFFLINE = "offline";

/** No answer came, or none of Backbeat's. */
export const unreachable = (why) => new Problem(0, { type: OFFLINE, detail: why });

async function problemOf(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // A proxy's own page, say: the status tells.
  }
  return new Problem(answer.status, body, answer.headers);
}

/**
 * Ask the API. Signs the request, renews the token once when it is refused.
 * @returns {Promise<Response>} one that went well, else throws Problem.
 */
export async function ask(method, path, { json, body, headers = {}, query, signal, timeout_ms, open = false, keepalive = false } = {}) {
  const address = query ? `${path}?${new URLSearchParams(Object.entries(query).filter(([, v]) => v != null && v !== ""))}` : path;
  const clock = timeout_ms ? AbortSignal.timeout(timeout_ms) : null;
  const stops = clock && signal ? AbortSignal.any([clock, signal]) : (clock ?? signal);
  for (let again = false; ; again = true) {
    const sent = new Headers(headers);
    let answer;
    try {
      const signed = open ? "" : await token({ fresh: again });
      if (signed) sent.set("Authorization", `Bearer ${signed}`);
      if (json !== undefined) sent.set("Content-Type", "application/json");
      answer = await fetch(address, {
        method,
        headers: sent,
        body: json === undefined ? body : JSON.stringify(json),
        signal: stops,
        keepalive,
        credentials: "same-origin",
      });
    } catch (error) {
      if (error instanceof TypeError || error.name === "TimeoutError") throw unreachable(error.message);
      throw error;
    }
    if (answer.ok || answer.status === 304) return answer;
    if (answer.status === 401 && !open && !again) continue;
    throw await problemOf(answer);
  }
}

/** Of a question whose answer is short. */
const TIMEOUT_MS = 60_000;

const answered = async (method, path, options) => {
  const answer = await ask(method, path, { timeout_ms: TIMEOUT_MS, ...options });
  if (answer.status === 204) return null;
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // Cut off in the middle, or not Backbeat's answer at all.
    throw unreachable(error.message);
  }
};

export const get = (path, options) => answered("GET", path, options);
export const post = (path, json, options) => answered("POST", path, { json, ...options });
export const put = (path, json, options) => answered("PUT", path, { json, ...options });
export const remove = (path, options) => answered("DELETE", path, options);

/** All items of a paged list, a page after the other. */
export async function* pages(path, query = {}) {
  let cursor = null;
  do {
    const page = await get(path, { query: { ...query, cursor } });
    yield page.items;
    cursor = page.next_cursor;
  } while (cursor);
}

/** A name that no other request has. (`randomUUID` is not there without https.) */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Save an answer's body as a file of the name that the answer gives. */
export async function save(answer, fallback) {
  const said = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = said?.[1] ?? fallback;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
