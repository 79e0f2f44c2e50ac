// The engraved score on the page: lines of music as SVG from the server, measured once each, with a
// cursor over them.

import { Timeline } from "./timeline.js";

const NOTE_REACH_PX = 16;
const TOUCH_REACH_PX = 26;
const NOW_MS = 140;
/** After somebody scrolled by hand the page stays where they put it for a while. */
const HANDS_OFF_MS = 3500;

function parsed(text) {
  const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (root.nodeName !== "svg") throw new Error("the server sent no picture");
  return document.importNode(root, true);
}

export class Sheet {
  /** @param {HTMLElement} host scrolls; @param {{follows: () => boolean, plays: () => boolean}} how whether to keep
   * the cursor in view, and whether it moves */
  constructor(host, { follows = () => true, plays = () => false } = {}) {
    this.host = host;
    this.plays = plays;
    this.follows = follows;
    this.view = null;
    this.timeline = null;
    this.places = [];
    this.nodes = new Map();
    this.shades = [];
    this.lines = document.createElement("div");
    this.lines.className = "systems";
    this.cursor = document.createElement("div");
    this.cursor.className = "cursor";
    this.cursor.hidden = true;
    this.cursor.setAttribute("aria-hidden", "true");
    host.append(this.lines);
    this.lines.append(this.cursor);
    this.shownSystem = -1;
    this.movedAt = -Infinity;
    for (const kind of ["wheel", "touchmove"]) {
      host.addEventListener(kind, () => (this.movedAt = performance.now()), { passive: true });
    }
    this.pointer = 0;
    this.lit = [];
    this.lastTime = 0;
  }

  /** Draw a view in place of the one before; selection classes are the caller's to set again. */
  show(view) {
    this.view = view;
    this.timeline = new Timeline(view);
    const defs = view.defs ? parsed(view.defs) : null;
    defs?.classList.add("defs");
    defs?.setAttribute("aria-hidden", "true");
    this.systems = view.systems.map((system, index) => {
      const line = document.createElement("div");
      line.className = "system";
      line.dataset.system = String(index);
      const drawing = parsed(system.svg);
      drawing.removeAttribute("width");
      drawing.removeAttribute("height");
      drawing.setAttribute("aria-hidden", "true");
      drawing.setAttribute("focusable", "false");
      line.style.setProperty("--ratio", `${system.width} / ${system.height}`);
      line.append(drawing);
      return line;
    });
    this.lines.replaceChildren(...(defs ? [defs] : []), ...this.systems, this.cursor);
    this.places = view.systems.map(() => null);
    this.nodes.clear();
    this.shades = [];
    this.shownSystem = -1;
    this.lit = [];
    this.pointer = 0;
  }

  /** The `g` of a note. */
  node(id) {
    const known = this.nodes.get(id);
    if (known?.isConnected) return known;
    const note = this.timeline?.byId.get(id);
    if (!note) return null;
    const line = this.systems[this.timeline.systemOfBar.get(note.bar)];
    const found = line?.querySelector(`[id="${CSS.escape(id)}"]`) ?? null;
    if (found) this.nodes.set(id, found);
    return found;
  }

  /** Measured places of a line, as parts of its width and height, so that resizing changes nothing. */
  placesOf(index) {
    if (this.places[index]) return this.places[index];
    const line = this.systems[index];
    const box = line.getBoundingClientRect();
    if (!box.width) return null;
    const notes = new Map();
    for (const note of line.querySelectorAll("g.note")) {
      const head = (note.querySelector(".notehead") ?? note).getBoundingClientRect();
      notes.set(note.id, {
        x: (head.left + head.width / 2 - box.left) / box.width,
        y: (head.top + head.height / 2 - box.top) / box.height,
      });
    }
    // Of the music: a title above it is not part of what sounds.
    let top = 1;
    let bottom = 0;
    const lefts = new Map();
    const rights = new Map();
    const begins = new Map();
    for (const number of this.view.systems[index].bars) {
      const bar = this.view.bars[this.timeline.barIndex.get(number)];
      const measure = line.querySelector(`[id="${CSS.escape(bar.id)}"]`);
      const drawn = measure?.getBoundingClientRect();
      if (!drawn) continue;
      // The music of a line's first bar begins after the clef and the meter.
      const boxes = (selector) => [...measure.querySelectorAll(selector)].map((each) => each.getBoundingClientRect());
      const first = Math.min(...boxes(".note, .rest, .mRest").map((each) => each.left));
      const signs = boxes(".clef, .meterSig, .keySig").map((each) => each.right).filter((right) => right <= first);
      begins.set(number, (Math.max(drawn.left, ...signs) - box.left) / box.width);
      top = Math.min(top, (drawn.top - box.top) / box.height);
      bottom = Math.max(bottom, (drawn.bottom - box.top) / box.height);
      lefts.set(number, (drawn.left - box.left) / box.width);
      rights.set(number, (drawn.right - box.left) / box.width);
    }
    const end = Math.max(0, ...rights.values()) || 1;
    let least = 0;
    const xs = this.timeline.columns[index].map((column) => {
      const heads = column.ids.map((id) => notes.get(id)?.x).filter((x) => x !== undefined);
      const x = heads.length ? Math.min(...heads) : (begins.get(column.bar) ?? least) + 0.004;
      least = Math.max(least, x);
      return least;
    });
    this.places[index] = { notes, lefts, rights, xs, end, top: Math.max(0, Math.min(top, bottom)), bottom: Math.min(1, bottom) };
    return this.places[index];
  }

  /** Put the cursor where the recording is, and light the notes that sound. */
  follow(time_s, { scroll = true } = {}) {
    const { timeline } = this;
    if (!timeline?.runs) return;
    const index = timeline.systemAt(time_s);
    const places = this.placesOf(index);
    if (!places) return;
    const line = this.systems[index];
    if (index !== this.shownSystem) {
      this.shownSystem = index;
      this.top = line.offsetTop + places.top * line.clientHeight;
      this.left = line.offsetLeft;
      this.width = line.clientWidth;
      this.cursor.hidden = false;
      this.cursor.style.height = `${(places.bottom - places.top) * line.clientHeight}px`;
      if (scroll) this.reveal(line);
    }
    const x = this.left + timeline.xAt(index, time_s, places) * this.width;
    this.cursor.style.transform = `translate(${x.toFixed(2)}px, ${this.top.toFixed(1)}px)`;
    this.#light(time_s);
  }

  /** Sizes have changed: measure the line anew at the next step. */
  resized() {
    this.shownSystem = -1;
  }

  reveal(line) {
    if (!this.follows() || performance.now() - this.movedAt < HANDS_OFF_MS) return;
    const box = line.getBoundingClientRect();
    const pane = this.host.getBoundingClientRect();
    // Standing still, a line that one sees stays where it is.
    if (!this.plays() && box.top >= pane.top && box.bottom <= pane.bottom) return;
    // The line that sounds stands in the upper third, so that the next one can be read ahead.
    const wanted = this.host.scrollTop + box.top - pane.top - Math.max(8, pane.height * 0.18);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.host.scrollTo({ top: wanted, behavior: calm ? "auto" : "smooth" });
  }

  #light(time_s) {
    const { heard } = this.timeline;
    const now = performance.now();
    if (time_s < this.lastTime || time_s - this.lastTime > 1) {
      // A jump: nothing that was passed by sounds.
      this.pointer = 0;
      while (this.pointer < heard.length && heard[this.pointer].time_s < time_s - 0.02) this.pointer += 1;
    }
    this.lastTime = time_s;
    while (this.pointer < heard.length && heard[this.pointer].time_s <= time_s) {
      const node = this.node(heard[this.pointer].id);
      if (node) {
        node.classList.add("now");
        this.lit.push({ node, until: now + NOW_MS });
      }
      this.pointer += 1;
    }
    while (this.lit.length && this.lit[0].until < now) this.lit.shift().node.classList.remove("now");
  }

  /** The line and place in it of a point on the screen. */
  at(clientX, clientY) {
    const line = document.elementFromPoint(clientX, clientY)?.closest("div.system");
    if (!line || !this.lines.contains(line)) return null;
    const box = line.getBoundingClientRect();
    return {
      index: Number(line.dataset.system),
      x: (clientX - box.left) / box.width,
      y: (clientY - box.top) / box.height,
      box,
    };
  }

  /** The note at a point on the screen, or nearest within a finger's or pointer's reach. */
  noteAt(clientX, clientY, { touch = false } = {}) {
    const spot = this.at(clientX, clientY);
    const places = spot && this.placesOf(spot.index);
    if (!places) return null;
    let best = null;
    let least = touch ? TOUCH_REACH_PX : NOTE_REACH_PX;
    for (const [id, place] of places.notes) {
      const away = Math.hypot((place.x - spot.x) * spot.box.width, (place.y - spot.y) * spot.box.height);
      if (away < least) {
        least = away;
        best = id;
      }
    }
    return best;
  }

  /** Ids of the notes inside a rectangle of the screen. */
  notesIn({ left, top, right, bottom }) {
    const found = [];
    this.systems.forEach((line, index) => {
      const box = line.getBoundingClientRect();
      if (box.bottom < top || box.top > bottom) return;
      for (const [id, place] of this.placesOf(index)?.notes ?? []) {
        const x = box.left + place.x * box.width;
        const y = box.top + place.y * box.height;
        if (x >= left && x <= right && y >= top && y <= bottom) found.push(id);
      }
    });
    return found;
  }

  /** Shade the bars that are looped. */
  showLoop(loop) {
    for (const shade of this.shades) shade.remove();
    this.shades = [];
    if (!loop || !this.view) return;
    this.view.systems.forEach((system, index) => {
      const bars = system.bars.filter((bar) => bar >= loop.from && bar <= loop.to);
      const places = bars.length ? this.placesOf(index) : null;
      if (!places) return;
      const left = places.lefts.get(bars[0]) ?? 0;
      const right = places.rights.get(bars.at(-1)) ?? places.end;
      const shade = document.createElement("div");
      shade.className = "loop-shade";
      shade.style.left = `${100 * left}%`;
      shade.style.width = `${100 * (right - left)}%`;
      shade.style.top = `${100 * places.top}%`;
      shade.style.height = `${100 * (places.bottom - places.top)}%`;
      this.systems[index].prepend(shade);
      this.shades.push(shade);
    });
  }

  /** Set a class on just these notes. */
  mark(name, ids) {
    const wanted = new Set(ids);
    for (const node of this.lines.querySelectorAll(`g.note.${name}`)) {
      if (!wanted.has(node.id)) node.classList.remove(name);
    }
    for (const id of wanted) this.node(id)?.classList.add(name);
  }
}
