// Server-Sent Events over fetch: an EventSource could not sign its request. A stream that breaks is
// taken up where it was.

import { createParser } from "../vendor/eventsource-parser.js";
import { ask, Problem } from "./api.js";

/** The server pings every 15 s; silence for longer is a connection that died unseen. */
const SILENCE_MS = 40_000;
const WAITS_MS = [500, 1000, 2000, 4000, 8000];

/**
 * Follow a stream until its `end`, or until `signal`.
 * @param {string} path
 * @param {{onEvent: (kind: string, data: any) => void, onState?: (state: "live"|"waiting") => void,
 *   signal: AbortSignal}} how
 * Throws Problem for what trying again will not heal.
 */
export async function follow(path, { onEvent, onState = () => {}, signal }) {
  let lastId = "";
  let failures = 0;
  let ended = false;
  while (!ended && !signal.aborted) {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    signal.addEventListener("abort", stop, { once: true });
    let silence = setTimeout(stop, SILENCE_MS);
    try {
      const headers = { Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) };
      const answer = await ask("GET", path, { headers, signal: attempt.signal });
      onState("live");
      const parser = createParser({
        onEvent({ id, event, data }) {
          if (id) lastId = id;
          if (event === "end") ended = true;
          onEvent(event ?? "message", JSON.parse(data));
        },
      });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        failures = 0;
        clearTimeout(silence);
        silence = setTimeout(stop, SILENCE_MS);
        parser.feed(value);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && !error.passing) throw error;
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", stop);
    }
    if (ended || signal.aborted) return;
    onState("waiting");
    const wait = WAITS_MS[Math.min(failures++, WAITS_MS.length - 1)];
    await pause(wait, signal);
  }
}

/** Wait so long, or until the network is back or nobody waits any more. Leaves no listener behind. */
function pause(wait_ms, signal) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = () => (clearTimeout(timer), over.abort(), resolve());
    const timer = setTimeout(end, wait_ms);
    addEventListener("online", end, { signal: over.signal });
    signal.addEventListener("abort", end, { signal: over.signal });
  });
}
