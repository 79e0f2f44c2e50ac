// Who is signed in. The access token lives in this page's memory and for minutes; what renews it is
// a cookie that no script can read (POST /auth/login with `cookie`).

import { read, write } from "./store.js";

const KNOWN = "backbeat.signed-in";
/** Somebody signed out, and the server could not be told. */
const LEAVING = "backbeat.signing-out";
const EARLY_MS = 30_000;

let access = "";
let expiresAt = 0;
let renewing = null;

/** Tells the views: "in", "out". */
export const changes = new EventTarget();
const others = "BroadcastChannel" in globalThis ? new BroadcastChannel("backbeat") : null;
others?.addEventListener("message", ({ data }) => {
  if (data === "out") forget();
  if (data?.email) {
    // It may be somebody else: what this tab holds is not theirs. What another tab has kept may be
    // seen here later than what it says.
    access = "";
    write(KNOWN, data.email);
    changes.dispatchEvent(new Event("in"));
  }
});

function forget() {
  access = "";
  expiresAt = 0;
  write(KNOWN, null);
  changes.dispatchEvent(new Event("out"));
}

/** Whether this browser signed in before and has not signed out. */
export const isKnown = () => read(KNOWN) !== null;

/** The address that signed in last. */
export const knownAs = () => read(KNOWN) ?? "";

function take(tokens) {
  access = tokens.access_token;
  expiresAt = Date.now() + tokens.expires_in * 1000;
}

async function renew() {
  const answer = await fetch("/auth/refresh", { method: "POST", credentials: "same-origin" });
  if (answer.ok) {
    const tokens = await answer.json().catch(() => null);
    if (!tokens?.access_token) throw new TypeError("not an answer of Backbeat's");
    take(tokens);
  } else if (answer.status === 401) {
    forget();
  } else {
    // The house is in trouble, not the session.
    throw new TypeError(`refresh answered ${answer.status}`);
  }
  return access;
}

/** The access token, renewed when it is about to end; "" when nobody is signed in. Throws
 * TypeError when the network is away. */
export async function token({ fresh = false } = {}) {
  if (!isKnown()) return "";
  if (!fresh && access && Date.now() < expiresAt - EARLY_MS) return access;
  // One tab after the other: a refresh token works once. Locks exist on https and localhost only.
  renewing ??= (navigator.locks ? navigator.locks.request("backbeat-session", renew) : renew()).finally(() => {
    renewing = null;
  });
  return renewing;
}

/** Keep what signing in gave. */
export function begin(email, tokens) {
  take(tokens);
  write(KNOWN, email);
  // The cookie is the new session's now.
  write(LEAVING, null);
  changes.dispatchEvent(new Event("in"));
  others?.postMessage({ email });
}

/** Sign out, here and in the other tabs. False while the server does not know of it yet: it is told
 * as soon as it can be reached. */
export async function end() {
  write(LEAVING, "yes");
  forget();
  others?.postMessage("out");
  return tellOfLeaving();
}

let telling = null;

/** Wait until nothing of a signing-out is under way: its answer would take a new session's cookie. */
export const settled = () => telling ?? Promise.resolve(true);

function tellOfLeaving() {
  telling ??= tell().finally(() => {
    telling = null;
  });
  return telling;
}

async function tell() {
  if (read(LEAVING) === null) return true;
  try {
    const answer = await fetch("/auth/logout", { method: "POST", credentials: "same-origin" });
    if (!answer.ok) return false;
  } catch {
    return false;
  }
  write(LEAVING, null);
  return true;
}

addEventListener("online", tellOfLeaving);
tellOfLeaving();
