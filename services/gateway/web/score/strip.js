// The hands over time: a lane for the right one, a lane for the left one. It runs with the recording, its
// present above the waveform's.

import { t } from "../core/texts.js";
import { lastAtMost } from "./timeline.js";
import { PRESENT, WINDOW_S } from "./wave.js";

const LANES = { R: [0.25], L: [0.75], B: [0.25, 0.75] };
/** The least that a stroke is painted with: one that is told is to be seen. */
const FAINT = 0.35;
const WIDE_PX = 6;
const HIGH = 0.34;
const DOT_PX = 2.2;
const NEAR_PX = 12;
/** Strokes this close are struck at once. */
const TOGETHER_S = 0.03;

/** How much ink a stroke gets: `confidence` is that of the likelier hand, from a half to one. */
export const inkOf = (confidence) => FAINT + (1 - FAINT) * Math.min(1, Math.max(0, 2 * confidence - 1)) ** 2;

/** @typedef {{id: string, time_s: number, hand: "R"|"L"|"B"|null, confidence: number, piece: string}} Stroke */

/** Tells "stroke" when one was clicked. */
export class Strip extends EventTarget {
  /** @param {HTMLElement} host @param {import("./player.js").Player} player @param {(stroke: Stroke) => string} placeOf */
  constructor(host, player, placeOf) {
    super();
    this.host = host;
    this.player = player;
    this.placeOf = placeOf;
    /** @type {Stroke[]} */
    this.strokes = [];
    this.unseen = [];
    host.classList.add("strip");
    host.hidden = true;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.labels = ["R", "L"].map((hand) => {
      const label = document.createElement("span");
      label.className = `hand ${hand}`;
      label.textContent = hand;
      label.setAttribute("aria-hidden", "true");
      return label;
    });
    this.spoken = document.createElement("p");
    this.spoken.className = "visually-hidden";
    this.spoken.setAttribute("aria-live", "polite");
    this.spoken.dataset.testid = "hand-spoken";
    host.append(this.canvas, ...this.labels, this.spoken);
    this.canvas.addEventListener("click", (event) => this.#clicked(event));
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(host);
    player.addEventListener("frame", (this.drawn = () => this.draw()));
    player.addEventListener("change", this.drawn);
  }

  /**
   * @param {Stroke[]} strokes in order of time
   * @param {{from_s: number, to_s: number}[]} unseen where the camera showed no hands
   * @param {string} about all of it in words
   */
  show(strokes, unseen, about) {
    this.strokes = strokes;
    this.unseen = unseen;
    this.canvas.setAttribute("aria-label", about);
    this.host.hidden = strokes.length === 0;
    this.resize();
  }

  resize() {
    const scale = devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * scale);
    const height = Math.round(this.canvas.clientHeight * scale);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.draw();
  }

  #firstAfter(time_s) {
    return lastAtMost(this.strokes.length, (i) => this.strokes[i].time_s, time_s) + 1;
  }

  #inks() {
    const [R, L] = this.labels.map((label) => getComputedStyle(label).color);
    const { color } = getComputedStyle(this.canvas);
    return { R, L, soft: getComputedStyle(this.host).color, line: color };
  }

  /** The seconds around now. */
  draw() {
    const { canvas, player } = this;
    const { width, height } = canvas;
    if (!width || this.host.hidden) return;
    this.#speak();
    const pen = canvas.getContext("2d");
    this.inks ??= this.#inks();
    const scale = devicePixelRatio || 1;
    const from_s = player.time - PRESENT * WINDOW_S;
    const xOf = (time_s) => ((time_s - from_s) / WINDOW_S) * width;
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = this.inks.soft;
    pen.globalAlpha = 0.16;
    for (const span of this.unseen) pen.fillRect(xOf(span.from_s), 0, xOf(span.to_s) - xOf(span.from_s), height);
    if (player.loop) {
      pen.fillStyle = this.inks.line;
      pen.globalAlpha = 0.12;
      pen.fillRect(xOf(player.loop.start_s), 0, xOf(player.loop.end_s) - xOf(player.loop.start_s), height);
    }
    pen.globalAlpha = 0.3;
    pen.fillStyle = this.inks.soft;
    pen.fillRect(0, Math.floor(height / 2), width, 1);
    for (let i = this.#firstAfter(from_s - 0.1); i < this.strokes.length && this.strokes[i].time_s < from_s + WINDOW_S + 0.1; i++) {
      this.#mark(pen, this.strokes[i], xOf(this.strokes[i].time_s), height, scale);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = this.inks.line;
    pen.fillRect(PRESENT * width - 1, 0, 2, height);
  }

  #mark(pen, stroke, x, height, scale) {
    const lanes = LANES[stroke.hand];
    if (!lanes) {
      pen.globalAlpha = 0.8;
      pen.fillStyle = this.inks.soft;
      pen.beginPath();
      pen.arc(x, height / 2, DOT_PX * scale, 0, 7);
      pen.fill();
      return;
    }
    pen.globalAlpha = inkOf(stroke.confidence);
    const wide = WIDE_PX * scale;
    for (const lane of lanes) {
      pen.fillStyle = lane < 0.5 ? this.inks.R : this.inks.L;
      pen.beginPath();
      pen.roundRect(x - wide / 2, height * (lane - HIGH / 2), wide, height * HIGH, 2 * scale);
      pen.fill();
    }
  }

  /** What is struck at a second. */
  at(time_s) {
    let first = this.#firstAfter(time_s - TOGETHER_S);
    const found = [];
    while (first < this.strokes.length && this.strokes[first].time_s <= time_s + TOGETHER_S) found.push(this.strokes[first++]);
    return found;
  }

  /** In words, for who does not see it: what is struck where the recording stands. */
  #speak() {
    const { player, spoken } = this;
    const struck = player.media.paused && !player.counting ? this.at(player.time) : [];
    const hands = struck.map((stroke) => t("hands.stroke", { hand: t(stroke.hand ? `hand.${stroke.hand}` : "hands.untold"), piece: t(`piece.${stroke.piece}`) }));
    const words = struck.length ? `${hands.join("; ")}. ${this.placeOf(struck[0])}` : "";
    if (spoken.textContent !== words) spoken.textContent = words;
  }

  #clicked(event) {
    const box = this.canvas.getBoundingClientRect();
    const per_px = WINDOW_S / box.width;
    const time_s = this.player.time + ((event.clientX - box.left) / box.width - PRESENT) * WINDOW_S;
    const lane = (event.clientY - box.top) / box.height < 0.5 ? 0.25 : 0.75;
    let best = null;
    let least = NEAR_PX;
    for (let i = this.#firstAfter(time_s - NEAR_PX * per_px); i < this.strokes.length; i++) {
      const stroke = this.strokes[i];
      const away = Math.abs(stroke.time_s - time_s) / per_px;
      if (away > NEAR_PX) break;
      // Of two that are struck at once, the one in the lane that was clicked.
      const other = (LANES[stroke.hand] ?? [lane]).includes(lane) ? 0 : NEAR_PX / 2;
      if (away + other < least) {
        least = away + other;
        best = stroke;
      }
    }
    if (best) this.dispatchEvent(new CustomEvent("stroke", { detail: best }));
    else this.player.seek(Math.max(0, time_s));
  }

  /** Colours follow the theme. */
  repaint() {
    this.inks = null;
    this.draw();
  }

  close() {
    this.resizing.disconnect();
    this.player.removeEventListener("frame", this.drawn);
    this.player.removeEventListener("change", this.drawn);
  }
}
