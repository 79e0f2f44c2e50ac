// Saving corrections: one after the other, each with a name of its own, so that one that is sent twice is
// done once; kept in the browser until the server has answered, so that neither a cut connection nor a
// closed page loses one.

import { ask, newId, Problem } from "../core/api.js";
import { read, write } from "../core/store.js";

const WAITS_MS = [1000, 2000, 4000, 8000, 15000];
/** What goes in one request; the rest waits for the next. */
const MOST_OPERATIONS = 200;

/**
 * @typedef {{key: string, kind: "edit"|"undo"|"redo"|"restore"|"anew"|"rename", body: any, base: number|null}} Save
 */

/** Tells "change" (look at `state`), "saved", "conflict" and "refused". */
export class Saves extends EventTarget {
  constructor(notationId, version) {
    super();
    this.id = notationId;
    this.version = version;
    this.place = `backbeat.saves.${notationId}`;
    /** @type {Save[]} */
    this.waiting = JSON.parse(read(this.place) ?? "[]");
    /** saved | saving | offline | conflict */
    this.state = this.waiting.length ? "saving" : "saved";
    this.failures = 0;
    this.running = false;
    this.closed = false;
    this.online = () => this.retry();
    addEventListener("online", this.online);
  }

  get unsaved() {
    return this.waiting.length;
  }

  #keep() {
    write(this.place, this.waiting.length ? JSON.stringify(this.waiting) : null);
  }

  #is(state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }

  /** Do these small operations, with those that still wait. */
  edit(operations) {
    const last = this.waiting.at(-1);
    // One that was never sent may still grow: `base` is set when it first goes out.
    if (last?.kind === "edit" && last.base === null && last.body.operations.length + operations.length <= MOST_OPERATIONS) {
      last.body.operations.push(...operations);
    } else {
      this.#push("edit", { operations });
    }
    this.#keep();
    this.run();
  }

  /** Undo, redo, restore a version, write anew or rename. */
  request(kind, body = null) {
    this.#push(kind, body);
    this.#keep();
    this.run();
  }

  #push(kind, body) {
    this.waiting.push({ key: newId(), kind, body, base: null });
  }

  #send(save) {
    // The page fetches its own drawing: the document need not come back.
    const headers = { "If-Match": `"${save.base}"`, "Idempotency-Key": save.key, Prefer: "return=minimal" };
    const root = `/notation/${this.id}`;
    if (save.kind === "undo" || save.kind === "redo") return ask("POST", `${root}/${save.kind}`, { headers });
    if (save.kind === "restore") return ask("POST", `${root}/versions/${save.body.version}/restore`, { headers });
    return ask("PUT", root, { headers, json: save.body });
  }

  /** Send what waits, in order. */
  async run() {
    // A page that was left sends nothing any more: the next one on this score does.
    if (this.closed || this.running || this.state === "conflict" || !this.waiting.length) return;
    this.running = true;
    clearTimeout(this.timer);
    try {
      while (this.waiting.length && this.state !== "conflict") {
        const save = this.waiting[0];
        save.base ??= this.version;
        this.#keep();
        if (this.state !== "offline") this.#is("saving");
        const answer = await this.#send(save);
        this.version = Number(answer.headers.get("etag")?.replaceAll('"', "")) || this.version + 1;
        this.failures = 0;
        this.waiting.shift();
        this.#keep();
        this.dispatchEvent(new CustomEvent("saved", { detail: save }));
      }
      if (!this.waiting.length) this.#is("saved");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#failed(error);
    } finally {
      this.running = false;
    }
  }

  #failed(problem) {
    if (problem.passing || problem.status === 401) {
      const wait = Math.max(WAITS_MS[Math.min(this.failures++, WAITS_MS.length - 1)], problem.retryAfterS * 1000);
      this.timer = setTimeout(() => this.run(), wait);
      this.problem = problem;
      this.#is("offline");
    } else if (problem.status === 412) {
      this.problem = problem;
      this.#is("conflict");
      this.dispatchEvent(new CustomEvent("conflict", { detail: problem }));
    } else {
      // The score cannot take it: the page shows the score as it is.
      const [save] = this.waiting.splice(0, 1);
      this.#keep();
      this.#is(this.waiting.length ? "saving" : "saved");
      this.dispatchEvent(new CustomEvent("refused", { detail: { problem, save } }));
      setTimeout(() => this.run());
    }
  }

  /** Try again now. */
  retry() {
    if (this.state === "offline") this.run();
  }

  /** After a conflict: put what waits on top of the newest version, or forget it. */
  resolve(newest, { keep }) {
    this.version = newest;
    if (keep) {
      for (const save of this.waiting) {
        save.base = null;
        save.key = newId();
      }
    } else {
      this.waiting = [];
    }
    this.#keep();
    this.state = "saved";
    this.#is(this.waiting.length ? "saving" : "saved");
    this.run();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.online);
  }
}

