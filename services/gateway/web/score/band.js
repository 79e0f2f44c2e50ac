// Plays drums and clicks in time with the recording, through the Web Audio clock.

import { gainOf, samplesOf } from "./drums.js";

const HATS_THAT_CLOSE = new Set(["hat-closed", "hat-pedal", "hat-half-open", "hat-open"]);
const FLAM_S = 0.03;

export class Band {
  constructor() {
    this.context = null;
    this.buffers = new Map();
    this.bus = null;
    this.ringing = null;
    this.drumLevel = 0.9;
    this.clickLevel = 0.7;
  }

  /** Browsers let sound begin only after a gesture: called from one. */
  async wake() {
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    if (this.context.state === "suspended") await this.context.resume();
    this.bus ??= this.#newBus();
  }

  get now() {
    return this.context?.currentTime ?? 0;
  }

  /** How long after its time a sound leaves the loudspeaker. */
  get latency_s() {
    return this.context?.outputLatency || this.context?.baseLatency || 0;
  }

  #newBus() {
    const bus = this.context.createGain();
    const limiter = this.context.createDynamicsCompressor();
    limiter.threshold.value = -6;
    limiter.ratio.value = 12;
    limiter.attack.value = 0.002;
    bus.connect(limiter).connect(this.context.destination);
    return bus;
  }

  /** Silence what sounds and what is still to come. */
  hush() {
    if (!this.bus) return;
    const gone = this.bus;
    gone.gain.setTargetAtTime(0, this.now, 0.01);
    setTimeout(() => gone.disconnect(), 200);
    this.bus = this.#newBus();
    this.ringing = null;
  }

  #buffer(sound) {
    let buffer = this.buffers.get(sound);
    if (!buffer) {
      const samples = samplesOf(sound, this.context.sampleRate);
      buffer = this.context.createBuffer(1, samples.length, this.context.sampleRate);
      buffer.copyToChannel(samples, 0);
      this.buffers.set(sound, buffer);
    }
    return buffer;
  }

  #start(sound, when, level) {
    const source = this.context.createBufferSource();
    source.buffer = this.#buffer(sound);
    const gain = this.context.createGain();
    gain.gain.value = level;
    source.connect(gain).connect(this.bus);
    source.start(Math.max(when, this.now));
    return gain;
  }

  /** Strike a piece at a time of the audio clock. */
  strike(piece, when, velocity = 90) {
    if (!this.context) return;
    if (HATS_THAT_CLOSE.has(piece) && this.ringing && this.ringing.when < when) {
      this.ringing.gain.gain.setTargetAtTime(0, when, 0.012);
      this.ringing = null;
    }
    const gain = this.#start(piece, when, gainOf(velocity) * this.drumLevel);
    if (piece === "hat-open" || piece === "hat-half-open") this.ringing = { gain, when };
  }

  /** A note with its grace before it. */
  play(note, when, rate) {
    this.strike(note.piece, note.grace ? when - FLAM_S / rate : when, note.velocity);
  }

  click(when, down) {
    if (this.context) this.#start(down ? "click-down" : "click", when, this.clickLevel);
  }
}
