// What was practised: the bars that were looped, how fast and for how long, kept by the server.

import { ask, newId } from "../core/api.js";

const LEAST_S = 3;

/** Counts while the player runs; a new session with other bars or another speed. */
export class Practice {
  constructor(notationId, player) {
    this.id = notationId;
    this.player = player;
    this.session = null;
    this.since = null;
    this.listeners = {
      change: () => this.#look(),
      looped: () => this.session && (this.session.loops += 1),
    };
    for (const [kind, heard] of Object.entries(this.listeners)) player.addEventListener(kind, heard);
    this.leaving = () => this.#send({ last: true });
    addEventListener("pagehide", this.leaving);
  }

  #bars() {
    const { loop, timeline } = this.player;
    if (loop) return [loop.from, loop.to];
    return timeline?.bars.length ? [timeline.bars[0].bar, timeline.bars.at(-1).bar] : null;
  }

  #look() {
    const { player } = this;
    const running = !player.media.paused && player.snippetEnd_s === null;
    const bars = this.#bars();
    const other = this.session && bars && (this.session.from_bar !== bars[0] || this.session.to_bar !== bars[1] || this.session.speed !== player.rate);
    if (this.since !== null && (!running || other)) this.#count();
    if (other) this.#send({ last: true });
    if (running && this.since === null && bars) {
      this.session ??= { id: newId(), from_bar: bars[0], to_bar: bars[1], speed: player.rate, loops: 0, seconds: 0, started_at: new Date().toISOString() };
      this.since = performance.now();
    }
    if (!running) this.#send();
  }

  #count() {
    this.session.seconds += (performance.now() - this.since) / 1000;
    this.since = null;
  }

  /** Tell the server, which keeps the last word of each session. */
  async #send({ last = false } = {}) {
    const { session } = this;
    if (this.since !== null && last) this.#count();
    if (last) this.session = null;
    if (!session || session.seconds < LEAST_S || session.seconds === session.told) return;
    const told = session.seconds;
    const { id, from_bar, to_bar, speed, loops, seconds, started_at } = session;
    try {
      // Also while the page is being left.
      await ask("PUT", `/notation/${this.id}/practice/${id}`, {
        json: { from_bar, to_bar, speed, loops, seconds: Math.round(seconds * 10) / 10, started_at },
        keepalive: true,
      });
      session.told = told;
    } catch {
      // The next pause tells it all again: a session is one row that grows.
    }
  }

  close() {
    this.#send({ last: true });
    removeEventListener("pagehide", this.leaving);
    for (const [kind, heard] of Object.entries(this.listeners)) this.player.removeEventListener(kind, heard);
  }
}
