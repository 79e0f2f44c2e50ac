// The recording as one sees it: its outline over all of its length, and the next seconds with every
// hit in its piece's colour.

import { moment, t } from "../core/texts.js";
import { colourOf, LANES, laneOf } from "./pieces.js";
import { lastAtMost } from "./timeline.js";

export const WINDOW_S = 6;
/** Where the present stands in the window. */
export const PRESENT = 0.3;
const STEP_S = 1;
const PAGE_S = 5;

export class Wave {
  /** @param {HTMLElement} host @param {import("./player.js").Player} player */
  constructor(host, player) {
    this.player = player;
    this.peaks = [];
    this.peaks_s = 0;
    this.hits = [];
    this.muted = new Set();
    this.highlight = null;
    host.classList.add("wave");
    this.near = document.createElement("canvas");
    this.near.className = "near";
    this.near.setAttribute("aria-hidden", "true");
    this.whole = document.createElement("div");
    this.whole.className = "whole";
    this.outline = document.createElement("canvas");
    this.outline.setAttribute("aria-hidden", "true");
    this.region = document.createElement("div");
    this.region.className = "region";
    this.head = document.createElement("div");
    this.head.className = "head";
    this.whole.append(this.outline, this.region, this.head);
    Object.entries({ role: "slider", tabindex: "0", "aria-label": t("wave.label"), "aria-valuemin": "0" }).forEach(([k, v]) =>
      this.whole.setAttribute(k, v),
    );
    host.append(this.near, this.whole);
    this.#pointers();
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(host);
    player.addEventListener("frame", (this.drawn = () => this.draw()));
    player.addEventListener("change", (this.changed = () => this.#state()));
  }

  #pointers() {
    const { whole, near, player } = this;
    const scrub = (event) => {
      const box = whole.getBoundingClientRect();
      player.seek(((event.clientX - box.left) / box.width) * player.duration);
    };
    whole.addEventListener("pointerdown", (event) => {
      whole.setPointerCapture(event.pointerId);
      scrub(event);
    });
    whole.addEventListener("pointermove", (event) => whole.hasPointerCapture(event.pointerId) && scrub(event));
    whole.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -STEP_S, ArrowRight: STEP_S, PageUp: -PAGE_S, PageDown: PAGE_S }[event.key];
      if (step) player.seek(player.time + step);
      else if (event.key === "Home") player.seek(0);
      else if (event.key === "End") player.seek(player.duration);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    let from = null;
    near.addEventListener("pointerdown", (event) => {
      near.setPointerCapture(event.pointerId);
      from = { x: event.clientX, time_s: player.time, moved: false };
    });
    near.addEventListener("pointermove", (event) => {
      if (!from) return;
      const gone = event.clientX - from.x;
      if (Math.abs(gone) > 3) from.moved = true;
      if (from.moved) player.seek(from.time_s - (gone / near.clientWidth) * WINDOW_S);
    });
    near.addEventListener("pointerup", (event) => {
      if (from && !from.moved) {
        const box = near.getBoundingClientRect();
        player.seek(player.time + ((event.clientX - box.left) / box.width - PRESENT) * WINDOW_S);
      }
      from = null;
    });
    near.addEventListener("pointercancel", () => (from = null));
  }

  /** @param {[number, number][]} peaks of equal spans over `duration_s` */
  setPeaks(peaks, duration_s) {
    this.peaks = peaks;
    this.peaks_s = duration_s;
    this.resize();
  }

  /** @param {{time_s: number, piece: string, velocity: number, sure: boolean}[]} hits in order */
  setHits(hits) {
    this.hits = hits.toSorted((a, b) => a.time_s - b.time_s);
    this.draw();
  }

  resize() {
    const scale = devicePixelRatio || 1;
    for (const canvas of [this.near, this.outline]) {
      const width = Math.round(canvas.clientWidth * scale);
      const height = Math.round(canvas.clientHeight * scale);
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
    }
    this.#drawOutline();
    this.draw();
    this.#state();
  }

  #ink() {
    return { ink: getComputedStyle(this.outline).color, strong: getComputedStyle(this.near).color };
  }

  #drawOutline() {
    const canvas = this.outline;
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    this.colours = this.#ink();
    pen.fillStyle = this.colours.ink;
    const { width, height } = canvas;
    const share = this.player.duration ? this.peaks_s / this.player.duration : 1;
    for (let x = 0; x < width; x++) {
      const first = Math.floor((x / width / share) * this.peaks.length);
      const last = Math.max(first + 1, Math.floor(((x + 1) / width / share) * this.peaks.length));
      let low = 0;
      let high = 0;
      for (let i = first; i < last && i < this.peaks.length; i++) {
        low = Math.min(low, this.peaks[i][0]);
        high = Math.max(high, this.peaks[i][1]);
      }
      pen.fillRect(x, (height * (1 - high)) / 2, 1, Math.max(1, (height * (high - low)) / 2));
    }
  }

  #state() {
    const { player, whole, region } = this;
    whole.setAttribute("aria-valuemax", String(Math.round(player.duration)));
    const loop = player.loop;
    region.hidden = !loop;
    if (loop && player.duration) {
      region.style.left = `${(100 * loop.start_s) / player.duration}%`;
      region.style.width = `${(100 * (loop.end_s - loop.start_s)) / player.duration}%`;
    }
    this.#place();
  }

  #place() {
    const { player } = this;
    const share = player.duration ? player.time / player.duration : 0;
    this.head.style.transform = `translateX(${(share * this.whole.clientWidth).toFixed(1)}px)`;
    const now = Math.round(player.time);
    if (now !== this.told) {
      this.told = now;
      this.whole.setAttribute("aria-valuenow", String(now));
      this.whole.setAttribute("aria-valuetext", moment(player.time));
    }
  }

  /** The seconds around now. */
  draw() {
    this.#place();
    const canvas = this.near;
    const { width, height } = canvas;
    if (!width) return;
    const pen = canvas.getContext("2d");
    this.colours ??= this.#ink();
    pen.clearRect(0, 0, width, height);
    const from_s = this.player.time - PRESENT * WINDOW_S;
    const xOf = (time_s) => ((time_s - from_s) / WINDOW_S) * width;
    const loop = this.player.loop;
    if (loop) {
      pen.globalAlpha = 0.12;
      pen.fillStyle = this.colours.strong;
      pen.fillRect(xOf(loop.start_s), 0, xOf(loop.end_s) - xOf(loop.start_s), height);
      pen.globalAlpha = 1;
    }
    if (this.peaks.length) {
      pen.fillStyle = this.colours.ink;
      pen.globalAlpha = 0.55;
      const per_s = this.peaks.length / this.peaks_s;
      const step = Math.max(1, width / WINDOW_S / per_s);
      const first = Math.max(0, Math.floor(from_s * per_s));
      const last = Math.min(this.peaks.length, Math.ceil((from_s + WINDOW_S) * per_s));
      for (let i = first; i < last; i++) {
        const [low, high] = this.peaks[i];
        pen.fillRect(xOf(i / per_s), (height * (1 - high)) / 2, step + 0.5, Math.max(1, (height * (high - low)) / 2));
      }
      pen.globalAlpha = 1;
    }
    const lane = height / LANES;
    const begin = lastAtMost(this.hits.length, (i) => this.hits[i].time_s, from_s - 0.2) + 1;
    for (let i = begin; i < this.hits.length && this.hits[i].time_s < from_s + WINDOW_S + 0.2; i++) {
      const hit = this.hits[i];
      const quiet = this.muted.has(hit.piece) || (this.highlight && this.highlight !== hit.piece);
      const radius = lane * (0.18 + 0.3 * Math.sqrt(hit.velocity / 127));
      pen.globalAlpha = quiet ? 0.2 : 1;
      pen.beginPath();
      pen.arc(xOf(hit.time_s), (laneOf(hit.piece) + 0.5) * lane, radius, 0, 7);
      if (hit.sure) {
        pen.fillStyle = colourOf(hit.piece);
        pen.fill();
      } else {
        pen.strokeStyle = colourOf(hit.piece);
        pen.lineWidth = Math.max(1.5, lane * 0.08);
        pen.stroke();
      }
    }
    pen.globalAlpha = 1;
    pen.fillStyle = this.colours.strong;
    pen.fillRect(PRESENT * width - 1, 0, 2, height);
  }

  /** Colours follow the theme. */
  repaint() {
    this.colours = null;
    this.#drawOutline();
    this.draw();
  }

  close() {
    this.resizing.disconnect();
    this.player.removeEventListener("frame", this.drawn);
    this.player.removeEventListener("change", this.changed);
  }
}
