// Where a score comes from: one's own, a shared one, or the demo that needs no account.

import { ask, get, post, Problem } from "../core/api.js";

/** Of a score's own width the server draws these: a screen that grows by a pixel asks for nothing. */
const STEP_MM = 10;
const LEAST_MM = 60;
const MOST_MM = 600;
/** Narrower than this the legend would be half of what a phone shows. */
const LEGEND_FROM_MM = 140;
const PEAKS_PER_S = 40;
const MOST_PEAKS = 20_000;

/** A width in the steps that views are made in. */
export const steppedWidth = (mm) => Math.min(MOST_MM, Math.max(LEAST_MM, Math.floor(mm / STEP_MM) * STEP_MM));

const bucketsFor = (duration_s) => Math.min(MOST_PEAKS, Math.max(400, Math.round(duration_s * PEAKS_PER_S)));

export class OwnScore {
  readOnly = false;

  constructor(id) {
    this.id = id;
    this.videoId = null;
  }

  async view(width_mm, { version } = {}) {
    const view = await get(`/notation/${this.id}/view`, { query: { width_mm, version, legend: width_mm >= LEGEND_FROM_MM } });
    this.videoId = view.video_id;
    return view;
  }

  /** `{url, kind}` of what is played; null where there is none. */
  async media() {
    if (!this.videoId) return null;
    const video = await get(`/media/videos/${this.videoId}`);
    const playable = video.has_video && video.browser_playable !== false;
    const ticket = await post(`/media/videos/${this.videoId}/ticket`);
    return { url: ticket.url, kind: playable ? "video" : "audio", video };
  }

  /** The extracted sound, for a recording that this browser cannot play. */
  async sound() {
    const audio = await this.#audio();
    if (!audio) return null;
    const answer = await ask("GET", `/audio/files/${audio.id}/content`);
    return { url: URL.createObjectURL(await answer.blob()), kind: "audio" };
  }

  async #audio() {
    if (!this.videoId) return null;
    const found = await get("/media/audio-files/", { query: { video_id: this.videoId, limit: 1 } });
    return found.items[0] ?? null;
  }

  async waveform(duration_s) {
    const audio = await this.#audio();
    if (!audio) return null;
    return get(`/audio/waveform/${audio.id}`, { query: { buckets: bucketsFor(audio.duration_seconds ?? duration_s) } });
  }

  export(format, options) {
    return ask("GET", `/notation/${this.id}/export`, { query: { format, ...options } });
  }
}

export class SharedScore {
  readOnly = true;

  constructor(token) {
    this.token = token;
    this.root = `/shared/${encodeURIComponent(token)}`;
    this.id = `shared-${token.slice(0, 8)}`;
  }

  about() {
    this.known ??= get(this.root, { open: true }).catch((problem) => {
      // Asked again, it may be answered.
      this.known = null;
      throw problem;
    });
    return this.known;
  }

  view(width_mm) {
    return get(`${this.root}/view`, { query: { width_mm, legend: width_mm >= LEGEND_FROM_MM }, open: true });
  }

  async media() {
    const about = await this.about();
    return about.with_video ? { url: `${this.root}/video`, kind: "video" } : null;
  }

  async sound() {
    return null;
  }

  async waveform() {
    return null;
  }

  export(format, options) {
    return ask("GET", `${this.root}/export`, { query: { format, ...options }, open: true });
  }
}

export class DemoScore {
  readOnly = true;
  id = "demo";

  constructor() {
    this.folder = new URL("../demo/", import.meta.url);
  }

  async #file(name) {
    const answer = await fetch(new URL(name, this.folder));
    if (!answer.ok) throw new Problem(answer.status, await answer.json());
    return answer;
  }

  async view(width_mm) {
    const { widths_mm } = await (await this.#file("demo.json")).json();
    const fitting = widths_mm.filter((width) => width <= width_mm);
    return (await this.#file(`view-${fitting.at(-1) ?? widths_mm[0]}.json`)).json();
  }

  async media() {
    return { url: new URL("demo.mp4", this.folder).href, kind: "video" };
  }

  async sound() {
    return null;
  }

  async waveform() {
    return (await this.#file("waveform.json")).json();
  }

  async export(format) {
    return this.#file(`demo.${{ midi: "mid" }[format] ?? format}`);
  }
}
