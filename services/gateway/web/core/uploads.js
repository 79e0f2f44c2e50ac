// Uploads that survive: in pieces by the tus protocol (tus-js-client), going on where they were after a cut
// connection or a closed page. They belong to the page and not to a view: one may look around meanwhile.

import { get, OFFLINE, Problem, remove } from "./api.js";
import { changes, knownAs, token } from "./session.js";

const ENDPOINT = "/media/uploads/";
/** A piece is what one cut connection may cost, and what a server keeps in memory. */
const PIECE_BYTES = 4 * 1024 * 1024;
const WAITS_MS = [0, 500, 1000, 2000, 4000, 8000, 15000, 30000, 30000, 60000, 60000, 60000];
const LOOK_MS = 700;

/** @typedef {{id: number, user: string, name: string, size: number, sent: number, state: "sending"|"waiting"|"paused"|"checking"|"done"|"failed", problem: Problem|null, videoId: string|null}} Sending */

class Uploads extends EventTarget {
  /** @type {Sending[]} */
  all = [];
  count = 0;

  constructor() {
    super();
    addEventListener("beforeunload", (event) => {
      if (this.all.some((each) => ["sending", "waiting"].includes(each.state))) event.preventDefault();
    });
    // Waiting out a pause makes no sense once the network is back.
    addEventListener("online", () => this.all.forEach((each) => each.state === "waiting" && this.resume(each)));
    // What somebody sends is theirs: whoever signs in next neither sees it nor goes on with it.
    changes.addEventListener("out", () => this.#forget());
    changes.addEventListener("in", () => this.#forget(knownAs()));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Stop all uploads but a user's, and know nothing of them. */
  #forget(user = null) {
    const gone = this.all.filter((each) => each.user !== user);
    if (!gone.length) return;
    this.all = this.all.filter((each) => each.user === user);
    gone.forEach((each) => each.upload.abort());
    this.#changed();
  }

  #mayGoOn(entry) {
    return this.all.includes(entry) && entry.user === knownAs();
  }

  /** Send a file (or a recording). */
  async add(file, name = file.name) {
    const user = knownAs();
    const tus = await library();
    const entry = { id: ++this.count, user, name, size: file.size, sent: 0, state: "sending", problem: null, videoId: null };
    entry.upload = new tus.Upload(file, {
      endpoint: ENDPOINT,
      chunkSize: PIECE_BYTES,
      retryDelays: WAITS_MS,
      removeFingerprintOnSuccess: true,
      metadata: { filename: name, filetype: file.type },
      fingerprint: async (...given) => `${await tus.defaultOptions.fingerprint(...given)}-${user}`,
      onBeforeRequest: async (request) => {
        const signed = await token();
        if (!this.#mayGoOn(entry)) throw new Error("whoever began this upload is not signed in");
        request.setHeader("Authorization", `Bearer ${signed}`);
      },
      onShouldRetry: (error) => {
        if (!this.#mayGoOn(entry)) return false;
        const { status, passing } = new Problem(error.originalResponse?.getStatus() ?? 0);
        const again = passing || [401, 409, 423].includes(status);
        if (again) {
          entry.state = "waiting";
          this.#changed();
        }
        return again;
      },
      onProgress: (sent) => {
        entry.sent = sent;
        entry.state = sent < file.size ? "sending" : "checking";
        this.#changed();
      },
      onError: (error) => this.#failed(entry, error),
      onSuccess: () => this.#sent(entry),
    });
    this.all.push(entry);
    this.#changed();
    const [before] = await entry.upload.findPreviousUploads();
    if (!this.#mayGoOn(entry)) return entry;
    if (before) entry.upload.resumeFromPreviousUpload(before);
    entry.upload.start();
    return entry;
  }

  #failed(entry, error) {
    if (!this.all.includes(entry)) return;
    const answer = error.originalResponse;
    let body = {};
    try {
      body = JSON.parse(answer?.getBody() ?? "");
    } catch {
      // No problem document: the network broke off.
    }
    const status = answer?.getStatus() ?? 0;
    entry.problem = new Problem(status, status ? body : { type: OFFLINE, detail: error.message });
    entry.state = "failed";
    this.#changed();
  }

  /** All bytes are there: what did the house make of them? */
  async #sent(entry) {
    if (!this.all.includes(entry)) return;
    entry.sent = entry.size;
    entry.state = "checking";
    this.#changed();
    for (;;) {
      try {
        const found = await get(addressOf(entry));
        if (!this.#mayGoOn(entry)) return;
        if (found.state === "accepted") {
          entry.videoId = found.video_id;
          entry.state = "done";
          break;
        }
        if (found.state === "refused") {
          entry.problem = new Problem(found.problem?.status ?? 422, found.problem);
          entry.state = "failed";
          break;
        }
      } catch (problem) {
        if (!this.#mayGoOn(entry)) return;
        if (!problem.passing) {
          entry.problem = problem;
          entry.state = "failed";
          break;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    this.#changed();
    if (entry.state === "done") this.dispatchEvent(new CustomEvent("done", { detail: entry }));
  }

  /** Whether an upload of the server's is one of this page's. */
  has(id) {
    return this.all.some((each) => each.upload.url?.endsWith(`/${id}`));
  }

  async pause(entry) {
    await entry.upload.abort();
    entry.state = "paused";
    this.#changed();
  }

  resume(entry) {
    entry.state = "sending";
    entry.problem = null;
    this.#changed();
    entry.upload.abort().then(() => this.#mayGoOn(entry) && entry.upload.start());
  }

  /** Forget one that has ended; take back one that has not. */
  async drop(entry) {
    this.all = this.all.filter((each) => each !== entry);
    this.#changed();
    if (entry.state === "done" || !entry.upload.url) return;
    await entry.upload.abort();
    if (entry.state !== "failed" || !entry.problem?.status) {
      await takeBack(addressOf(entry)).catch(() => {});
    }
  }
}

const addressOf = (entry) => new URL(entry.upload.url, location.href).pathname;

let loading = null;

/** End an upload that is not whole; what came of it is thrown away. */
export const takeBack = (address) => remove(address, { headers: { "Tus-Resumable": "1.0.0" } });

/** Forget what has come to its end: somebody has gone on to look at it. */
export function forgetDone(videoId) {
  for (const entry of uploads.all) if (entry.videoId === videoId) uploads.drop(entry);
}

/** The library is fetched with the first upload. */
function library() {
  loading ??= import("../vendor/later/tus.min.js").then(
    () => globalThis.tus,
    () => {
      loading = null;
      throw new Problem(0, { type: "part-missing" });
    },
  );
  return loading;
}

export const uploads = new Uploads();
