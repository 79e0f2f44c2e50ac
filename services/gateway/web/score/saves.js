// Saving corrections: one after the other, each with a name of its own, so that one that is sent twice is
// done once; kept in the browser until the server has answered, so that neither a cut connection nor a
// closed page loses one. What is kept belongs to the person who did it and to one window at a time.

import { ask, newId, Problem, unreachable } from "../core/api.js";
import { knownAs } from "../core/session.js";
import { keys, read, write } from "../core/store.js";

const WAITS_MS = [1000, 2000, 4000, 8000, 15000];
/** What goes in one request; the rest waits for the next. */
const MOST_OPERATIONS = 200;
/** A request that hangs (between Wi-Fi and mobile, say) is sent again; its name keeps it from doubling. */
const TIMEOUT_MS = 30_000;
/** A window that has said nothing for so long is closed: what it kept is another's to send. */
const ALIVE_MS = 10_000;
const BEAT_MS = 2_000;
const TAB = newId();
const TAB_PLACE = "backbeat.tab.";

const open = new Set();

function beat() {
  const busy = [...open].some((saves) => saves.waiting.length);
  write(TAB_PLACE + TAB, busy ? String(Date.now()) : null);
}

setInterval(beat, BEAT_MS);
addEventListener("pagehide", () => write(TAB_PLACE + TAB, null));
// Brought back from the browser's memory: another window may have sent what this one kept.
addEventListener("pageshow", (event) => event.persisted && location.reload());

const isAlive = (tab) => Date.now() - Number(read(TAB_PLACE + tab) ?? 0) < ALIVE_MS;

/**
 * @typedef {{key: string, kind: "edit"|"undo"|"redo"|"restore"|"anew"|"rename", body: any, base: number|null,
 *   tab: string, order: number}} Save
 * `base` is the version that it is made on, set when it first goes out; from then on it stays as it is.
 */

/** Tells "change" (look at `state`), "saved", "conflict" and "refused". */
export class Saves extends EventTarget {
  constructor(notationId, version) {
    super();
    this.id = notationId;
    this.version = version;
    this.user = knownAs();
    this.prefix = `backbeat.save.${this.user}.${notationId}.`;
    /** @type {Save[]} */
    this.waiting = [];
    this.#adopt();
    /** saved | saving | offline | conflict */
    this.state = this.waiting.length ? "saving" : "saved";
    this.failures = 0;
    this.running = false;
    this.closed = false;
    this.online = () => this.retry();
    addEventListener("online", this.online);
    open.add(this);
  }

  /** How many changes wait. */
  get unsaved() {
    return this.waiting.reduce((count, save) => count + (save.kind === "edit" ? save.body.operations.length : 1), 0);
  }

  /** Take over what this window, or one that is closed, has kept. */
  #adopt() {
    let others = false;
    for (const name of keys(this.prefix)) {
      const save = JSON.parse(read(name) ?? "null");
      if (!save || this.waiting.some((each) => each.key === save.key)) continue;
      if (save.tab !== TAB && isAlive(save.tab)) {
        others = true;
        continue;
      }
      save.tab = TAB;
      this.#keep(save);
      this.waiting.push(save);
    }
    this.waiting.sort((a, b) => a.order - b.order);
    if (!others) return;
    this.looking = setTimeout(() => {
      this.#adopt();
      this.run();
    }, ALIVE_MS);
  }

  #keep(save) {
    write(this.prefix + save.key, JSON.stringify(save));
  }

  #drop(save) {
    this.waiting = this.waiting.filter((each) => each !== save);
    write(this.prefix + save.key, null);
  }

  #is(state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }

  /** Do these small operations, with those that still wait. */
  edit(operations) {
    const last = this.waiting.at(-1);
    // One that was never sent may still grow.
    if (last?.kind === "edit" && last.base === null && last.body.operations.length + operations.length <= MOST_OPERATIONS) {
      last.body.operations.push(...operations);
      this.#keep(last);
    } else {
      this.#push("edit", { operations });
    }
    this.run();
  }

  /** Undo, redo, restore a version, write anew or rename. */
  request(kind, body = null) {
    this.#push(kind, body);
    this.run();
  }

  #push(kind, body) {
    const order = Math.max(Date.now(), (this.waiting.at(-1)?.order ?? 0) + 1);
    const save = { key: newId(), kind, body, base: null, tab: TAB, order };
    this.waiting.push(save);
    this.#keep(save);
    beat();
  }

  async #send(save) {
    // The page fetches its own drawing: the document need not come back.
    const headers = { "If-Match": `"${save.base}"`, "Idempotency-Key": save.key, Prefer: "return=minimal" };
    this.attempt = new AbortController();
    const how = { headers, signal: this.attempt.signal, timeout_ms: TIMEOUT_MS };
    const root = `/notation/${this.id}`;
    let answer;
    if (save.kind === "undo" || save.kind === "redo") answer = await ask("POST", `${root}/${save.kind}`, how);
    else if (save.kind === "restore") answer = await ask("POST", `${root}/versions/${save.body.version}/restore`, how);
    else answer = await ask("PUT", root, { ...how, json: save.body });
    const version = Number(answer.headers.get("etag")?.replaceAll('"', ""));
    // Whatever answered (a hotel's sign-in page, say), it was not Backbeat.
    if (!version) throw unreachable("no version");
    return version;
  }

  /** Send what waits, in order. */
  async run() {
    // A page that was left sends nothing any more: the next one on this score does.
    if (this.closed || this.running || this.state === "conflict" || !this.waiting.length) return;
    this.running = true;
    clearTimeout(this.timer);
    try {
      while (this.waiting.length && this.state !== "conflict" && !this.closed) {
        if (knownAs() !== this.user) throw new Problem(401, {});
        const save = this.waiting[0];
        save.base ??= this.version;
        this.#keep(save);
        if (this.state !== "offline") this.#is("saving");
        this.version = await this.#send(save);
        this.#done(save);
      }
      if (!this.waiting.length) this.#is("saved");
    } catch (error) {
      this.#failed(error);
    } finally {
      this.running = false;
    }
    if (this.again) {
      this.again = false;
      this.run();
    }
  }

  #done(save) {
    this.failures = 0;
    this.#drop(save);
    this.dispatchEvent(new CustomEvent("saved", { detail: save }));
  }

  #failed(error) {
    // Taken back to be sent anew.
    if (error.name === "AbortError") return;
    const problem = error instanceof Problem ? error : unreachable(error.message);
    const save = this.waiting[0];
    if (this.closed) {
      // The session's end has closed the page as well: one is told all the same.
      this.problem = problem;
      if (problem.status === 401) this.#is("offline");
    } else if (problem.passing || [401, 403].includes(problem.status) || problem.code === "idempotency-key-in-use") {
      const wait = Math.max(WAITS_MS[Math.min(this.failures++, WAITS_MS.length - 1)], problem.retryAfterS * 1000);
      this.timer = setTimeout(() => this.run(), wait);
      this.problem = problem;
      this.#is("offline");
    } else if (problem.code === "idempotency-key-reused") {
      // Another window sent it, on another version: it is done.
      this.#done(save);
      this.again = true;
    } else if (problem.status === 412 && problem.body.current_version === this.version) {
      // The change in between is one's own, or has been seen: nothing to ask about.
      this.#rebase(save);
      this.again = true;
    } else if (problem.status === 412) {
      this.problem = problem;
      this.#is("conflict");
      this.dispatchEvent(new CustomEvent("conflict", { detail: problem }));
    } else {
      this.#refused(save, problem);
    }
  }

  /** The score cannot take it. Of several operations only the one that is named goes. */
  #refused(save, problem) {
    const named = save.kind === "edit" ? /operations\[(\d+)\]/.exec(problem.field) : null;
    this.#drop(save);
    if (named && save.body.operations.length > 1) {
      const left = save.body.operations.filter((_, index) => index !== Number(named[1]));
      const rest = { ...save, key: newId(), base: null, body: { operations: left } };
      this.waiting.unshift(rest);
      this.#keep(rest);
    } else if (save.kind === "edit" && this.waiting[0]?.kind === "undo") {
      // Meant for what was not done: it must not take back something else.
      this.#drop(this.waiting[0]);
    }
    this.again = true;
    this.#is(this.waiting.length ? "saving" : "saved");
    this.dispatchEvent(new CustomEvent("refused", { detail: { problem, save } }));
  }

  /** On top of the newest version, under another name: the server has told that it did not do this one. */
  #rebase(save) {
    this.#drop(save);
    const fresh = { ...save, key: newId(), base: null };
    this.waiting.push(fresh);
    this.waiting.sort((a, b) => a.order - b.order);
    this.#keep(fresh);
  }

  /** Try again now; a request that hangs is sent anew. */
  retry() {
    if (this.running) {
      this.again = true;
      this.attempt?.abort();
    } else if (this.state === "offline") {
      this.run();
    }
  }

  /** After a conflict: put what waits on top of the newest version, or forget it. */
  resolve(newest, { keep }) {
    this.version = newest;
    for (const save of [...this.waiting]) {
      // Undoing was meant for one's own last change, and not for what came in between.
      if (keep && save.kind !== "undo" && save.kind !== "redo") this.#rebase(save);
      else this.#drop(save);
    }
    this.#is(this.waiting.length ? "saving" : "saved");
    this.run();
  }

  close() {
    this.closed = true;
    open.delete(this);
    clearTimeout(this.timer);
    clearTimeout(this.looking);
    removeEventListener("online", this.online);
  }
}
