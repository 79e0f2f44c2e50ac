// Where the recording is on the page, and back. Pure: a view (see docs/score-format.md) and measured
// places in, seconds and places out.

/** Columns this close are one: a hi-hat and a kick are not struck in the same sample. */
const STEP_S = 0.001;

/** "3/16" as a number. */
export function fraction(text) {
  const [over, under = "1"] = text.split("/");
  return Number(over) / Number(under);
}

function median(values) {
  const ordered = values.toSorted((a, b) => a - b);
  const middle = ordered.length >> 1;
  return ordered.length % 2 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
}

/** The last index whose value is at most `wanted`; -1 when all are more. `at(i)` gives the value. */
export function lastAtMost(count, at, wanted) {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(middle) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export class Timeline {
  /** @param {any} view */
  constructor(view) {
    this.bars = view.bars;
    this.runs = view.bars.length > 0 && view.bars[0].start_s != null;
    this.barIndex = new Map(view.bars.map((bar, index) => [bar.bar, index]));
    this.systemOfBar = new Map();
    view.systems.forEach((system, index) => system.bars.forEach((bar) => this.systemOfBar.set(bar, index)));
    /** When a note is heard: as it was played, else as it is written. */
    this.notes = view.notes.map((note) => ({ ...note, at: fraction(note.start), time_s: note.played_s ?? note.written_s }));
    this.byId = new Map(this.notes.map((note) => [note.id, note]));
    this.heard = this.notes.filter((note) => note.time_s != null).sort((a, b) => a.time_s - b.time_s);
    this.columns = view.systems.map((system) => this.#columnsOf(system));
    this.systemStarts = this.columns.map((columns) => columns[0]?.time_s ?? Infinity);
    this.ends_s = this.runs ? this.bars.at(-1).end_s : 0;
  }

  /** The struck places of one line of music in their order: what is there, and when it is heard. */
  #columnsOf(system) {
    const groups = new Map();
    for (const note of this.notes) {
      if (note.grace || !system.bars.includes(note.bar)) continue;
      const key = `${note.bar} ${note.start}`;
      if (!groups.has(key)) groups.set(key, { bar: note.bar, at: note.at, ids: [], times: [] });
      groups.get(key).ids.push(note.id);
      groups.get(key).times.push(note.time_s);
    }
    for (const number of system.bars) {
      const bar = this.bars[this.barIndex.get(number)];
      // A bar that begins with a rest begins all the same.
      if (!groups.has(`${number} 0`)) groups.set(`${number} 0`, { bar: number, at: 0, ids: [], times: [bar.start_s] });
    }
    const columns = [...groups.values()].map(({ bar, at, ids, times }) => ({ bar, at, ids, time_s: this.runs ? median(times) : null }));
    columns.sort((a, b) => a.bar - b.bar || a.at - b.at);
    // Without beats there are places and no times.
    if (!this.runs) return columns;
    for (let i = 1; i < columns.length; i++) {
      columns[i].time_s = Math.max(columns[i].time_s, columns[i - 1].time_s + STEP_S);
    }
    return columns;
  }

  /** Which line of music sounds at a second. */
  systemAt(time_s) {
    return Math.max(0, lastAtMost(this.systemStarts.length, (i) => this.systemStarts[i], time_s));
  }

  /** When a line is over: as the next begins. */
  endOfSystem(index) {
    return index + 1 < this.systemStarts.length ? this.systemStarts[index + 1] : this.ends_s;
  }

  /** Index into `bars` of the bar that sounds at a second. */
  barAt(time_s) {
    return Math.max(0, lastAtMost(this.bars.length, (i) => this.bars[i].start_s, time_s));
  }

  /**
   * Where the cursor stands in a line at a second: `places` holds an x for each column and the line's
   * end. Between two columns it moves evenly.
   */
  xAt(index, time_s, places) {
    const columns = this.columns[index];
    if (columns.length === 0) return 0;
    const i = lastAtMost(columns.length, (k) => columns[k].time_s, time_s);
    if (i < 0) return places.xs[0];
    const last = i + 1 === columns.length;
    const from_s = columns[i].time_s;
    const to_s = last ? this.endOfSystem(index) : columns[i + 1].time_s;
    const from = places.xs[i];
    const to = last ? places.end : places.xs[i + 1];
    const share = to_s > from_s ? Math.min(1, (time_s - from_s) / (to_s - from_s)) : 0;
    return from + share * (to - from);
  }

  /** The second at an x of a line. */
  timeAtX(index, x, places) {
    const columns = this.columns[index];
    if (columns.length === 0 || !this.runs) return null;
    const i = Math.max(0, lastAtMost(columns.length, (k) => places.xs[k], x));
    const last = i + 1 === columns.length;
    const from = places.xs[i];
    const to = last ? places.end : places.xs[i + 1];
    const to_s = last ? this.endOfSystem(index) : columns[i + 1].time_s;
    const share = to > from ? Math.min(1, Math.max(0, (x - from) / (to - from))) : 0;
    return columns[i].time_s + share * (to_s - columns[i].time_s);
  }

  /** The bar and the place in it (in whole notes) at an x of a line. */
  placeAtX(index, x, places) {
    const columns = this.columns[index];
    const i = Math.max(0, lastAtMost(columns.length, (k) => places.xs[k], x));
    const column = columns[i];
    const bar = this.bars[this.barIndex.get(column.bar)];
    const next = columns[i + 1];
    const sameBar = next !== undefined && next.bar === column.bar;
    const endAt = sameBar ? next.at : fraction(bar.length);
    const endX = sameBar ? places.xs[i + 1] : places.rights.get(column.bar) ?? places.end;
    const from = places.xs[i];
    const share = endX > from ? Math.min(1, Math.max(0, (x - from) / (endX - from))) : 0;
    return { bar: column.bar, at: column.at + share * (endAt - column.at), length: fraction(bar.length) };
  }

  /** The beats of the whole score: when, and whether it is a downbeat. */
  beats() {
    return this.bars.flatMap((bar) => bar.beats.map((time_s, index) => ({ time_s, down: index === 0 && bar.bar > 0, bar: bar.bar })));
  }
}
