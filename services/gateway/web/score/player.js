// The transport: a recording (or a silent clock where there is none), its speed, loop, count-in,
// metronome and drums. Everything follows the recording's own clock.

import { Band } from "./band.js";
import { lastAtMost } from "./timeline.js";

const TICK_MS = 25;
const AHEAD_S = 0.15;
/** The browser gives a place back nearly as it was set. */
const SAME_S = 0.005;
export const RATES = [0.25, 0.35, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1, 1.1, 1.25];

/** A clock with a media element's ways, for scores without a recording. */
export class SilentMedia extends EventTarget {
  constructor(duration_s) {
    super();
    this.duration = duration_s;
    this.paused = true;
    this.muted = true;
    this.volume = 1;
    this.from = 0;
    this.since = 0;
    this.rate = 1;
  }

  get currentTime() {
    const gone = this.paused ? 0 : ((performance.now() - this.since) / 1000) * this.rate;
    const time_s = Math.min(this.from + gone, this.duration);
    if (!this.paused && time_s >= this.duration) queueMicrotask(() => this.#end());
    return time_s;
  }

  #end() {
    // Asked twice, or sought away meanwhile: it has not ended then.
    const gone = ((performance.now() - this.since) / 1000) * this.rate;
    if (this.paused || this.from + gone < this.duration) return;
    this.pause();
    this.dispatchEvent(new Event("ended"));
  }

  set currentTime(time_s) {
    this.from = Math.min(Math.max(0, time_s), this.duration);
    this.since = performance.now();
    this.dispatchEvent(new Event("seeking"));
    this.dispatchEvent(new Event("seeked"));
  }

  get playbackRate() {
    return this.rate;
  }

  set playbackRate(rate) {
    this.from = this.currentTime;
    this.since = performance.now();
    this.rate = rate;
  }

  async play() {
    if (!this.paused) return;
    if (this.from >= this.duration) this.from = 0;
    this.since = performance.now();
    this.paused = false;
    this.dispatchEvent(new Event("play"));
    this.dispatchEvent(new Event("playing"));
  }

  pause() {
    if (this.paused) return;
    this.from = this.currentTime;
    this.paused = true;
    this.dispatchEvent(new Event("pause"));
  }
}

/** Tells "change" when its state has changed, "frame" at every drawn frame while it runs. */
export class Player extends EventTarget {
  constructor() {
    super();
    this.media = new SilentMedia(0);
    this.timeline = null;
    this.band = new Band();
    /** recording | both | drums */
    this.mix = "recording";
    /** Drums as they were played, or as they are written. */
    this.timing = "played";
    this.volume = 1;
    this.metronome = false;
    this.countIn = false;
    /** @type {{from: number, to: number, start_s: number, end_s: number} | null} */
    this.loop = null;
    this.muted = new Set();
    this.counting = 0;
    this.rate = 1;
    this.ranOut = false;
    this.snippetEnd_s = null;
    /** By how much the sound comes after the picture of what is heard at a second. */
    this.lag_s = () => 0;
    /** @type {{time_s: number, at_s: number} | null} the moment that is shown while the recording stands at its picture */
    this.still = null;
    this.frame = () => this.#frame();
    this.listeners = {
      play: () => this.#started(),
      playing: () => this.#restart(),
      pause: () => this.#stopped(),
      ended: () => this.#ended(),
      seeking: () => this.band.hush(),
      seeked: () => (this.#restart(), this.#draw()),
      waiting: () => this.band.hush(),
      loadedmetadata: () => this.changed(),
      ratechange: () => this.#restart(),
    };
    this.#listen(true);
  }

  #listen(on) {
    for (const [kind, heard] of Object.entries(this.listeners)) {
      this.media[on ? "addEventListener" : "removeEventListener"](kind, heard);
    }
  }

  /** Take another recording, at the same place. */
  attach(media) {
    const time_s = this.time;
    this.pause();
    this.still = null;
    this.#listen(false);
    this.media = media;
    this.#listen(true);
    this.setRate(this.rate);
    this.setMix(this.mix);
    if (time_s) media.currentTime = time_s;
    this.changed();
  }

  /** Follow another score of the same recording. */
  read(timeline) {
    this.timeline = timeline;
    this.beats = timeline.runs ? timeline.beats() : [];
    if (this.loop) this.setLoop(this.loop.from, this.loop.to);
    this.#restart();
    this.changed();
  }

  /** In the sound, as all times here but those of `still`. */
  get time() {
    return this.#stands ? this.still.time_s : this.media.currentTime;
  }

  get #stands() {
    return this.still !== null && this.media.paused && Math.abs(this.media.currentTime - this.still.at_s) < SAME_S;
  }

  get duration() {
    const known = this.media.duration;
    return Number.isFinite(known) && known > 0 ? known : (this.timeline?.ends_s ?? 0);
  }

  /** Whether it goes on by itself: a moment that is just heard does not. */
  get playing() {
    return this.counting > 0 || (!this.media.paused && this.snippetEnd_s === null);
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  #draw() {
    this.dispatchEvent(new Event("frame"));
  }

  async toggle() {
    if (this.playing) this.pause();
    else await this.play();
  }

  /** Begin, after the count-in where one is wanted. */
  async play() {
    if (this.snippetEnd_s !== null && this.countIn) this.media.pause();
    this.snippetEnd_s = null;
    await this.band.wake();
    if (this.#stands) this.seek(this.still.time_s);
    const loop = this.#round;
    if (loop && (this.time < loop.start_s - 0.05 || this.time >= loop.end_s - 0.05)) this.seek(loop.start_s);
    else if (this.time >= this.duration - 0.05) this.seek(0);
    if (this.countIn && this.beats?.length) this.#count();
    else await this.#begin();
    this.changed();
  }

  async #begin() {
    try {
      await this.media.play();
    } catch (error) {
      // Paused again before it began; a recording that cannot be played says so itself.
      if (error.name !== "AbortError" && error.name !== "NotSupportedError") throw error;
    }
  }

  /** One bar of clicks that leads into where we are. */
  #count() {
    const index = this.timeline.barAt(this.time + 0.02);
    const bar = this.timeline.bars[index];
    const beats = Math.max(1, bar.beats.length);
    const each_s = (bar.end_s - bar.start_s) / beats;
    const passed = Math.max(0, (this.time - bar.start_s) / each_s);
    const lead = passed - Math.floor(passed + 0.02);
    const offset_s = Math.max(0, lead) * each_s;
    const count = Math.max(2, bar.length === "1" || beats > 2 ? beats : 2 * beats);
    const step_s = each_s / this.rate;
    const begin = this.band.now + 0.1;
    this.band.hush();
    for (let i = 0; i < count; i++) this.band.click(begin + i * step_s, i % beats === 0);
    this.counting = count;
    this.changed();
    const tell = (left) => {
      if (!this.counting) return;
      this.counting = left;
      this.changed();
    };
    this.countTimers = Array.from({ length: count }, (_, i) => setTimeout(() => tell(count - i), 100 + i * step_s * 1000));
    this.countTimers.push(
      setTimeout(
        () => {
          this.counting = 0;
          this.#begin();
          this.changed();
        },
        100 + (count * step_s + offset_s / this.rate) * 1000,
      ),
    );
  }

  pause() {
    this.countTimers?.forEach(clearTimeout);
    if (this.counting) {
      this.counting = 0;
      this.band.hush();
      this.changed();
    }
    this.media.pause();
  }

  seek(time_s) {
    this.still = null;
    this.#jump(time_s);
    this.#draw();
  }

  #jump(time_s) {
    this.media.currentTime = Math.min(Math.max(0, time_s), Math.max(0, this.duration));
  }

  /** Go to what is heard at a second. Standing still, its own picture is shown: where the sound comes late,
   * that is an earlier one. */
  show(time_s) {
    if (this.snippetEnd_s !== null) {
      this.snippetEnd_s = null;
      this.media.pause();
    }
    const lag_s = this.media.paused && !this.counting && this.media.videoWidth ? this.lag_s(time_s) : 0;
    if (!lag_s) {
      this.seek(time_s);
      return;
    }
    this.#jump(time_s - lag_s);
    this.still = { time_s, at_s: this.media.currentTime };
    this.#draw();
  }

  /** Hear one moment: half a second of it, then stand still where it was. */
  async audition(time_s) {
    if (this.playing) {
      this.seek(time_s);
      return;
    }
    await this.band.wake();
    this.seek(time_s);
    this.snippetStart_s = time_s;
    this.snippetEnd_s = time_s + 0.45 * Math.min(1, this.rate);
    await this.#begin();
  }

  setRate(rate) {
    this.rate = rate;
    this.media.preservesPitch = true;
    this.media.playbackRate = rate;
    this.changed();
  }

  setMix(mix) {
    this.mix = mix;
    this.media.muted = mix === "drums";
    this.media.volume = this.volume;
    this.#restart();
    this.changed();
  }

  setVolume(volume) {
    this.volume = volume;
    this.media.volume = volume;
    this.changed();
  }

  /** Play bars `from` to `to` again and again; no bars: play on. */
  setLoop(from, to) {
    const first = from == null ? undefined : this.timeline?.barIndex.get(from);
    const last = to == null ? undefined : this.timeline?.barIndex.get(to);
    if (first === undefined || last === undefined || !this.timeline.runs) {
      this.loop = null;
    } else {
      const bars = this.timeline.bars;
      const [a, b] = first <= last ? [first, last] : [last, first];
      this.loop = { from: bars[a].bar, to: bars[b].bar, start_s: Math.max(0, bars[a].start_s), end_s: bars[b].end_s };
    }
    this.changed();
  }

  /** The loop as far as the recording goes: the last bar may be written to a later end. */
  get #round() {
    if (!this.loop || this.loop.start_s >= this.duration - 0.05) return null;
    return { start_s: this.loop.start_s, end_s: Math.min(this.loop.end_s, this.duration) };
  }

  #again(loop) {
    this.dispatchEvent(new Event("looped"));
    if (this.countIn) this.media.pause();
    this.seek(loop.start_s);
    if (this.countIn) this.#count();
    else if (this.media.paused) this.#begin();
  }

  #ended() {
    // A recording that stands still ends, too, when somebody seeks to its end.
    const ran = this.ranOut;
    this.ranOut = false;
    const loop = this.#round;
    if (ran && loop && this.snippetEnd_s === null) this.#again(loop);
    else this.#stopped();
  }

  #started() {
    cancelAnimationFrame(this.request);
    this.request = requestAnimationFrame(this.frame);
    clearInterval(this.timer);
    this.timer = setInterval(() => this.#tick(), TICK_MS);
    this.#restart();
    this.changed();
  }

  #stopped() {
    this.ranOut = this.media.ended ?? this.media.currentTime >= this.media.duration;
    clearInterval(this.timer);
    this.band.hush();
    this.#draw();
    this.changed();
  }

  #frame() {
    this.#draw();
    if (!this.media.paused) this.request = requestAnimationFrame(this.frame);
  }

  /** What comes next is to be found anew: after a jump, a change of speed, another score. */
  #restart() {
    this.band.hush();
    this.next = null;
  }

  #tick() {
    const time_s = this.media.currentTime;
    if (this.snippetEnd_s !== null && time_s >= this.snippetEnd_s) {
      this.show(this.snippetStart_s);
      return;
    }
    const loop = this.#round;
    if (loop && this.snippetEnd_s === null && time_s >= loop.end_s - 0.005) {
      this.#again(loop);
      return;
    }
    if (this.media.seeking || !this.timeline || !this.band.context) return;
    const drums = this.mix !== "recording";
    if (!drums && !this.metronome) return;
    const until_s = time_s + AHEAD_S * this.rate;
    const at = (moment_s) => this.band.now + (moment_s - time_s) / this.rate - this.band.latency_s;
    const notes = this.timeline.heard;
    const when = this.timing === "written" ? (note) => note.written_s ?? note.time_s : (note) => note.time_s;
    this.next ??= {
      note: lastAtMost(notes.length, (i) => notes[i].time_s, time_s - 0.01) + 1,
      beat: lastAtMost(this.beats.length, (i) => this.beats[i].time_s, time_s - 0.01) + 1,
    };
    while (this.next.note < notes.length && notes[this.next.note].time_s < until_s) {
      const note = notes[this.next.note++];
      if (drums && !this.muted.has(note.piece)) this.band.play(note, at(when(note)), this.rate);
    }
    while (this.next.beat < this.beats.length && this.beats[this.next.beat].time_s < until_s) {
      const beat = this.beats[this.next.beat++];
      if (this.metronome) this.band.click(at(beat.time_s), beat.down);
    }
  }

  close() {
    this.pause();
    clearInterval(this.timer);
    cancelAnimationFrame(this.request);
    this.#listen(false);
    this.band.context?.close();
  }
}
