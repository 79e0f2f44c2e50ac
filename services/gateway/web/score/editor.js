// Correcting: what is selected, and what mouse, fingers and keys do to it. Changes are operations of
// `PUT /notation/{id}` (docs/score-format.md); the server engraves what comes of them.

import { newId } from "../core/api.js";
import { t } from "../core/texts.js";
import { pieceOfKey } from "./pieces.js";
import { fraction } from "./timeline.js";

export const GRIDS = ["1/4", "1/8", "1/12", "1/16", "1/24", "1/32"];
const DRAG_PX = 5;
const LOUDER = 8;

const gcd = (a, b) => (b ? gcd(b, a % b) : Math.abs(a));

/** `steps` steps of a grid as exact text: 3 of "1/16" is "3/16", 4 are "1/4", -2 are "-1/8". */
export function stepsText(steps, grid) {
  const [over, under = 1] = grid.split("/").map(Number);
  const top = steps * over;
  if (top === 0) return "0";
  const common = gcd(top, under);
  return under === common ? String(top / common) : `${top / common}/${under / common}`;
}

/** The nearest place of a grid, inside the bar. */
export function snapped(at, length, grid) {
  const step = fraction(grid);
  const most = Math.ceil(length / step - 1e-9) - 1;
  return stepsText(Math.min(most, Math.max(0, Math.round(at / step))), grid);
}

const ONE_LOUDNESS = { accent: "ghost", ghost: "accent" };

export class Editor extends EventTarget {
  constructor({ sheet, player, saves, readOnly }) {
    super();
    this.sheet = sheet;
    this.player = player;
    this.saves = saves;
    this.readOnly = readOnly;
    this.editing = false;
    /** select | add */
    this.tool = "select";
    this.piece = "snare";
    this.grid = "1/16";
    this.selected = new Set();
    this.anchor = null;
    this.drag = null;
    this.rubber = document.createElement("div");
    this.rubber.className = "band";
    this.rubber.hidden = true;
    sheet.host.append(this.rubber);
    const { host } = sheet;
    host.addEventListener("pointerdown", (event) => this.#down(event));
    host.addEventListener("pointermove", (event) => this.#move(event));
    host.addEventListener("pointerup", (event) => this.#up(event));
    host.addEventListener("pointercancel", () => this.#letGo());
  }

  get timeline() {
    return this.sheet.timeline;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  setEditing(on) {
    this.editing = on && !this.readOnly;
    this.tool = "select";
    this.sheet.host.classList.toggle("editing", this.editing);
    this.changed();
  }

  /** After another drawing: what is still there stays selected. */
  redrawn() {
    // A note that is still on its way to the server is not in this drawing, and in the next.
    if (!this.saves?.unsaved) this.selected = new Set([...this.selected].filter((id) => this.timeline.byId.has(id)));
    this.sheet.mark("selected", this.selected);
    this.changed();
  }

  select(ids, { extend = false, toggle = false } = {}) {
    if (!extend && !toggle) this.selected.clear();
    for (const id of ids) {
      if (toggle && this.selected.has(id)) this.selected.delete(id);
      else this.selected.add(id);
    }
    this.sheet.mark("selected", this.selected);
    this.changed();
  }

  notes() {
    return [...this.selected].map((id) => this.timeline.byId.get(id)).filter(Boolean);
  }

  /** In words, for the line of status and for those who do not see the page. */
  describe() {
    const notes = this.notes();
    if (notes.length === 0) return t("edit.nothing-selected");
    if (notes.length > 1) return t("edit.many-selected", { n: notes.length });
    const [note] = notes;
    return [
      this.placeOf(note),
      t(`piece.${note.piece}`),
      ...note.articulations.map((mark) => t(`mark.${mark}`)),
      note.confidence == null ? t("edit.by-hand") : t("edit.sure", { percent: Math.round(note.confidence * 100) }),
      ...this.#handOf(note),
      ...(note.moved ? [t("edit.moved", { piece: t(`piece.${note.moved.heard}`) })] : []),
    ].join(", ");
  }

  #handOf({ sticking, sticking_source, sticking_confidence }) {
    if (!sticking) return [];
    const hand = t(`hand.${sticking}`);
    if (sticking_source !== "vision") return [hand];
    return [t("edit.hand-seen", { hand, percent: Math.round(100 * (sticking_confidence ?? 1)) })];
  }

  placeOf(note) {
    const bar = this.timeline.bars[this.timeline.barIndex.get(note.bar)];
    const unit = 1 / Number(bar.meter.split("/")[1]);
    return t("edit.place", { bar: note.bar, beat: (note.at / unit + 1).toFixed(2).replace(/\.?0+$/, "") });
  }

  // Changes

  #edit(operations) {
    if (this.readOnly || !operations.length) return;
    this.sheet.mark("pending", this.selected);
    operations.forEach((operation) => this.#applyHere(operation));
    this.saves.edit(operations);
  }

  /** Until the next drawing the page's own notes follow, so that the next key reckons with them. */
  #applyHere({ op, ids = [], ...fields }) {
    const { byId } = this.timeline;
    if (op === "add") {
      const { id, bar, start, piece, velocity } = fields;
      byId.set(id, { id, bar, start, at: fraction(start), piece, velocity, articulations: [], confidence: null, time_s: null });
    }
    for (const note of ids.map((id) => byId.get(id)).filter(Boolean)) {
      if (op === "delete") {
        byId.delete(note.id);
        this.selected.delete(note.id);
      } else if (op === "set-piece") note.piece = fields.piece;
      else if (op === "set-velocity") note.velocity = fields.velocity;
      else if (op === "set-sticking") Object.assign(note, { sticking: fields.sticking, sticking_source: "user" });
      else if (op === "articulate") {
        const kept = note.articulations.filter((mark) => !fields.remove?.includes(mark) && !(fields.add && ONE_LOUDNESS[fields.add[0]] === mark));
        note.articulations = [...new Set([...kept, ...(fields.add ?? [])])];
      }
    }
  }

  #ids() {
    // Graces belong to their notes.
    return this.notes().filter((note) => !note.grace).map((note) => note.id);
  }

  #onSelected(op, fields = {}) {
    const ids = this.#ids();
    if (ids.length) this.#edit([{ op, ids, ...fields }]);
  }

  remove() {
    this.#onSelected("delete");
  }

  move(steps) {
    this.#onSelected("move", { by: stepsText(steps, this.grid) });
  }

  setPiece(piece) {
    this.piece = piece;
    if (this.tool === "select") this.#onSelected("set-piece", { piece });
    this.player.band.wake().then(() => this.player.band.strike(piece, this.player.band.now, 100));
    this.changed();
  }

  /** Put a mark on all that is selected, or take it off where all have it. */
  toggleMark(mark) {
    const notes = this.notes().filter((note) => !note.grace);
    const all = notes.every((note) => note.articulations.includes(mark));
    const operations = [{ op: "articulate", ids: notes.map((note) => note.id), [all ? "remove" : "add"]: [mark] }];
    if (!all && ONE_LOUDNESS[mark]) {
      // What is written loud or soft shall sound so.
      const wrong = notes.filter((note) => (mark === "ghost" ? note.velocity > 45 : note.velocity < 100));
      if (wrong.length) operations.push({ op: "set-velocity", ids: wrong.map((note) => note.id), velocity: mark === "ghost" ? 32 : 112 });
    }
    if (notes.length) this.#edit(operations);
  }

  /** Louder (1) or softer (-1). */
  louder(steps) {
    const operations = this.notes()
      .filter((note) => !note.grace)
      .map((note) => ({ op: "set-velocity", ids: [note.id], velocity: Math.min(127, Math.max(1, note.velocity + steps * LOUDER)) }));
    this.#edit(operations);
  }

  setSticking(hand) {
    this.#onSelected("set-sticking", { sticking: hand });
  }

  /** The hands that the camera saw, in place of those that somebody set. */
  resetSticking() {
    this.#onSelected("reset-sticking");
  }

  /** "I have looked: these are right." */
  confirm() {
    this.#onSelected("confirm");
  }

  add(bar, start, piece = this.piece) {
    const id = `note-${newId().slice(0, 8)}`;
    this.#edit([{ op: "add", bar, start, piece, id, velocity: 90 }]);
    this.selected = new Set([id]);
    this.changed();
    this.player.band.wake().then(() => this.player.band.strike(piece, this.player.band.now, 90));
  }

  operate(...operations) {
    this.#edit(operations);
  }

  /** Bars that the selection, else the loop, else the place played covers. */
  bars() {
    const numbers = this.notes().map((note) => note.bar);
    if (numbers.length) return [Math.min(...numbers), Math.max(...numbers)];
    if (this.player.loop) return [this.player.loop.from, this.player.loop.to];
    const bar = this.timeline?.bars[this.timeline.runs ? this.timeline.barAt(this.player.time) : 0]?.bar ?? 1;
    return [bar, bar];
  }

  // Going from note to note

  /** Select the next (1) or previous (-1) note in time, and hear it. */
  step(way, { extend = false } = {}) {
    const { heard } = this.timeline;
    if (!heard.length) return;
    const last = this.anchor && this.selected.has(this.anchor) ? heard.findIndex((note) => note.id === this.anchor) : -1;
    let index = last + way;
    if (last < 0) {
      const now = this.player.time;
      index = heard.findIndex((note) => note.time_s >= now - 0.01);
      if (index < 0) index = heard.length - 1;
    }
    this.#goTo(heard[Math.min(heard.length - 1, Math.max(0, index))], { extend });
  }

  /** The next note that the ear was not sure of. */
  nextUnsure(way = 1) {
    const unsure = this.timeline.heard.filter((note) => note.unsure && !note.grace);
    if (!unsure.length) return false;
    const from = this.timeline.byId.get(this.anchor)?.time_s ?? this.player.time - 0.01;
    const next = way > 0 ? unsure.find((note) => note.time_s > from + 1e-6) ?? unsure[0] : unsure.findLast((note) => note.time_s < from - 1e-6) ?? unsure.at(-1);
    this.#goTo(next);
    return true;
  }

  #goTo(note, { extend = false } = {}) {
    this.mark(note.id, { extend });
    if (note.time_s != null) this.player.audition(note.time_s);
  }

  /** Select a note, and bring it into sight. */
  mark(id, { extend = false } = {}) {
    const note = this.timeline.byId.get(id);
    this.anchor = id;
    this.select([id], { extend });
    const line = this.sheet.systems[this.timeline.systemOfBar.get(note.bar)];
    line?.scrollIntoView({ block: "nearest" });
  }

  // Pointers

  #down(event) {
    if (event.button !== 0 || !this.sheet.timeline) return;
    const touch = event.pointerType !== "mouse";
    const id = this.sheet.noteAt(event.clientX, event.clientY, { touch });
    this.drag = { x: event.clientX, y: event.clientY, id, touch, moved: false, extend: event.shiftKey || event.ctrlKey || event.metaKey };
    if (!touch) {
      event.preventDefault();
      this.sheet.host.focus({ preventScroll: true });
    }
  }

  #move(event) {
    const { drag } = this;
    if (!drag) return;
    if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < DRAG_PX && !drag.moved) return;
    if (drag.touch) {
      // A finger that moves scrolls.
      this.#letGo();
      return;
    }
    if (!drag.moved) {
      drag.moved = true;
      this.sheet.host.setPointerCapture(event.pointerId);
    }
    if (this.editing && drag.id) return;
    const host = this.sheet.host.getBoundingClientRect();
    const left = Math.min(event.clientX, drag.x);
    const top = Math.min(event.clientY, drag.y);
    this.rubber.hidden = false;
    this.rubber.style.transform = `translate(${left - host.left + this.sheet.host.scrollLeft}px, ${top - host.top + this.sheet.host.scrollTop}px)`;
    this.rubber.style.width = `${Math.abs(event.clientX - drag.x)}px`;
    this.rubber.style.height = `${Math.abs(event.clientY - drag.y)}px`;
  }

  #up(event) {
    const { drag } = this;
    this.#letGo();
    if (!drag) return;
    if (drag.moved) this.#dragged(drag, event);
    else this.#clicked(drag, event);
  }

  #letGo() {
    this.drag = null;
    this.rubber.hidden = true;
  }

  #dragged(drag, event) {
    const box = { left: Math.min(event.clientX, drag.x), right: Math.max(event.clientX, drag.x), top: Math.min(event.clientY, drag.y), bottom: Math.max(event.clientY, drag.y) };
    if (!this.editing) {
      this.#loopOver(drag, event);
    } else if (drag.id) {
      if (!this.selected.has(drag.id)) this.select([drag.id]);
      const from = this.#place(drag.x, drag.y);
      const to = this.#place(event.clientX, event.clientY);
      if (!from || !to) return;
      const start = this.timeline.byId.get(drag.id);
      const steps = Math.round((this.#whole(to) - this.#whole({ bar: start.bar, at: start.at })) / fraction(this.grid));
      if (steps) this.move(steps);
    } else {
      this.select(this.sheet.notesIn(box), { extend: drag.extend });
    }
  }

  /** A sweep over bars loops them. */
  #loopOver(drag, event) {
    const from = this.#place(drag.x, drag.y);
    const to = this.#place(event.clientX, event.clientY);
    if (from && to) this.player.setLoop(from.bar, to.bar);
  }

  /** Place in whole notes from the score's beginning. */
  #whole({ bar, at }) {
    let whole = at;
    for (const other of this.timeline.bars) {
      if (other.bar >= bar) break;
      whole += fraction(other.length);
    }
    return whole;
  }

  #place(x, y) {
    const spot = this.sheet.at(x, y);
    const places = spot && this.sheet.placesOf(spot.index);
    return places && this.timeline.columns[spot.index].length ? this.timeline.placeAtX(spot.index, spot.x, places) : null;
  }

  #clicked(drag, event) {
    if (this.editing && this.tool === "add") {
      const place = this.#place(event.clientX, event.clientY);
      if (place) this.add(place.bar, snapped(place.at, place.length, this.grid));
      return;
    }
    if (drag.id) {
      this.anchor = drag.id;
      this.select([drag.id], { toggle: drag.extend, extend: drag.extend });
      const note = this.timeline.byId.get(drag.id);
      if (note?.time_s != null) this.player.audition(note.time_s);
      return;
    }
    if (this.selected.size) this.select([]);
    const spot = this.sheet.at(event.clientX, event.clientY);
    const places = spot && this.sheet.placesOf(spot.index);
    if (!places) return;
    const time_s = this.timeline.timeAtX(spot.index, spot.x, places);
    if (time_s != null) this.player.seek(Math.max(0, time_s));
  }

  // Keys

  /** Whether the key meant something. */
  key(event) {
    const { key, ctrlKey, metaKey, altKey, shiftKey } = event;
    const command = ctrlKey || metaKey;
    if (command && key.toLowerCase() === "z" && this.editing) this.saves.request(shiftKey ? "redo" : "undo");
    else if (command && key.toLowerCase() === "y" && this.editing) this.saves.request("redo");
    else if (command && key.toLowerCase() === "a" && this.editing) this.select(this.timeline.notes.map((note) => note.id));
    else if (command) return false;
    else if (key === "ArrowRight" || key === "ArrowLeft") {
      const way = key === "ArrowRight" ? 1 : -1;
      // The browser's own way back.
      if (altKey && !this.editing) return false;
      if (altKey) this.move(way);
      else this.step(way, { extend: shiftKey && this.editing });
    } else if (key === "Escape") {
      if (this.tool === "add") {
        this.tool = "select";
        this.changed();
      } else if (this.selected.size) this.select([]);
      else return false;
    } else if (key === "j" || key === "J") this.nextUnsure(key === "j" ? 1 : -1);
    else if (!this.editing || altKey) return false;
    else return this.#editKey(key);
    return true;
  }

  #editKey(key) {
    const mark = { a: "accent", g: "ghost", f: "flam", d: "drag" }[key];
    const piece = pieceOfKey(key.toLowerCase());
    if (key === "Delete" || key === "Backspace") this.remove();
    else if (mark) this.toggleMark(mark);
    else if (key === "ArrowUp" || key === "ArrowDown") this.louder(key === "ArrowUp" ? 1 : -1);
    else if (key === "v") this.confirm();
    else if (key === "n") {
      this.tool = this.tool === "add" ? "select" : "add";
      this.changed();
    } else if (key === "Enter" && this.tool === "add") this.#addHere(this.piece);
    else if (piece && key !== key.toLowerCase()) this.#addHere(piece);
    else if (piece) this.setPiece(piece);
    else return false;
    return true;
  }

  /** A note where the selected one is, or where the recording stands. */
  #addHere(piece) {
    const [note] = this.notes();
    if (note) {
      this.add(note.bar, note.start, piece);
      return;
    }
    if (!this.timeline.runs) {
      // No clock says where one is.
      this.add(this.timeline.bars[0].bar, "0", piece);
      return;
    }
    const index = this.timeline.systemAt(this.player.time);
    const places = this.sheet.placesOf(index);
    const place = this.timeline.placeAtX(index, this.timeline.xAt(index, this.player.time, places), places);
    this.add(place.bar, snapped(place.at, place.length, this.grid), piece);
  }
}
