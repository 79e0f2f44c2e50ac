// Drum sounds, made by sums and filters: nothing is recorded, nothing is fetched. Pure: a piece and a
// sample rate in, samples out.

const METAL_HZ = [205.3, 304.4, 369.6, 522.7, 540.0, 800.0];

/** Noise that is the same every time. */
function noise(count, seed = 1) {
  const out = new Float32Array(count);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    out[i] = state / 0x80000000 - 1;
  }
  return out;
}

/** A second-order section (Bristow-Johnson's cookbook). */
function filtered(samples, rate, kind, hz, q = 0.707) {
  const w = (2 * Math.PI * Math.min(hz, rate * 0.45)) / rate;
  const alpha = Math.sin(w) / (2 * q);
  const cos = Math.cos(w);
  const b =
    kind === "high" ? [(1 + cos) / 2, -(1 + cos), (1 + cos) / 2] : kind === "low" ? [(1 - cos) / 2, 1 - cos, (1 - cos) / 2] : [alpha, 0, -alpha];
  const a0 = 1 + alpha;
  const out = new Float32Array(samples.length);
  let x1 = 0;
  let x2 = 0;
  let y1 = 0;
  let y2 = 0;
  for (let i = 0; i < samples.length; i++) {
    const y = (b[0] * samples[i] + b[1] * x1 + b[2] * x2 + 2 * cos * y1 - (1 - alpha) * y2) / a0;
    x2 = x1;
    x1 = samples[i];
    y2 = y1;
    y1 = y;
    out[i] = y;
  }
  return out;
}

const decaying = (samples, rate, half_s, attack_s = 0.0005) =>
  samples.map((x, i) => x * Math.exp((-i / rate / half_s) * Math.LN2) * Math.min(1, i / rate / attack_s));

function tone(count, rate, fromHz, toHz, sweep_s) {
  const out = new Float32Array(count);
  let phase = 0;
  for (let i = 0; i < count; i++) {
    const hz = toHz + (fromHz - toHz) * Math.exp(-i / rate / sweep_s);
    phase += (2 * Math.PI * hz) / rate;
    out[i] = Math.sin(phase);
  }
  return out;
}

function metal(count, rate, scale) {
  const out = new Float32Array(count);
  for (const hz of METAL_HZ) {
    const period = rate / (hz * scale);
    for (let i = 0; i < count; i++) out[i] += i % period < period / 2 ? 1 / METAL_HZ.length : -1 / METAL_HZ.length;
  }
  return out;
}

function mix(count, ...parts) {
  const out = new Float32Array(count);
  for (const [samples, gain] of parts) for (let i = 0; i < count; i++) out[i] += samples[i] * gain;
  return out;
}

function levelled(samples, peak) {
  let most = 0;
  for (const x of samples) most = Math.max(most, Math.abs(x));
  return most ? samples.map((x) => (x * peak) / most) : samples;
}

const tom = (hz) => (n, rate) =>
  mix(n, [decaying(tone(n, rate, hz * 1.6, hz, 0.05), rate, 0.11), 1], [decaying(filtered(noise(n, 7), rate, "low", 1800), rate, 0.02), 0.35]);

const cymbal = (scale, lowHz, half_s, hiss = 0.8) => (n, rate) =>
  mix(
    n,
    [decaying(filtered(metal(n, rate, scale), rate, "high", lowHz), rate, half_s), 0.9],
    [decaying(filtered(noise(n, 11), rate, "high", lowHz), rate, half_s * 0.8), hiss],
  );

const snare = (n, rate) =>
  mix(
    n,
    [decaying(tone(n, rate, 260, 185, 0.02), rate, 0.045), 0.8],
    [decaying(tone(n, rate, 380, 330, 0.02), rate, 0.03), 0.4],
    [decaying(filtered(noise(n, 3), rate, "high", 1500), rate, 0.055), 0.7],
  );

/** Length in seconds, level, and the samples. */
const VOICES = {
  kick: [0.45, 0.95, (n, rate) => mix(n, [decaying(tone(n, rate, 170, 48, 0.03), rate, 0.09), 1], [decaying(filtered(noise(n, 5), rate, "low", 3500), rate, 0.004), 0.5])],
  snare: [0.35, 0.8, snare],
  rimshot: [0.35, 0.85, (n, rate) => mix(n, [snare(n, rate), 0.8], [decaying(tone(n, rate, 900, 820, 0.01), rate, 0.02), 0.7])],
  "cross-stick": [0.12, 0.6, (n, rate) => mix(n, [decaying(tone(n, rate, 1900, 1650, 0.005), rate, 0.012), 0.9], [decaying(filtered(noise(n, 9), rate, "band", 2600, 2), rate, 0.008), 0.7])],
  "hat-closed": [0.16, 0.45, cymbal(6.2, 7000, 0.022)],
  "hat-half-open": [0.5, 0.45, cymbal(6.2, 6500, 0.09)],
  "hat-open": [0.9, 0.48, cymbal(6.2, 6000, 0.2)],
  "hat-pedal": [0.14, 0.32, cymbal(5.2, 5200, 0.016)],
  "tom-high": [0.6, 0.75, tom(196)],
  "tom-mid": [0.7, 0.75, tom(147)],
  "tom-floor": [0.8, 0.8, tom(92)],
  crash: [2.2, 0.6, cymbal(4.6, 3200, 0.42)],
  "crash-2": [2.2, 0.6, cymbal(5.1, 3800, 0.38)],
  splash: [0.9, 0.5, cymbal(5.8, 4800, 0.14)],
  china: [1.6, 0.6, cymbal(3.7, 2400, 0.3, 1.4)],
  ride: [1.4, 0.42, (n, rate) => mix(n, [cymbal(5.6, 5200, 0.26, 0.35)(n, rate), 0.7], [decaying(tone(n, rate, 3300, 3250, 0.01), rate, 0.07), 0.35])],
  "ride-bell": [1.4, 0.5, (n, rate) => mix(n, [decaying(tone(n, rate, 1180, 1175, 0.01), rate, 0.2), 0.6], [decaying(tone(n, rate, 2690, 2680, 0.01), rate, 0.16), 0.5], [cymbal(5.6, 5200, 0.2, 0.3)(n, rate), 0.4])],
  cowbell: [0.4, 0.5, (n, rate) => decaying(filtered(mix(n, [tone(n, rate, 545, 545, 1), 1], [tone(n, rate, 815, 815, 1), 0.9]), rate, "band", 900, 0.8), rate, 0.06)],
  tambourine: [0.3, 0.42, (n, rate) => decaying(filtered(noise(n, 17), rate, "high", 8000), rate, 0.05, 0.006)],
  "click-down": [0.06, 0.7, (n, rate) => decaying(tone(n, rate, 1760, 1760, 1), rate, 0.009)],
  click: [0.05, 0.55, (n, rate) => decaying(tone(n, rate, 1180, 1180, 1), rate, 0.008)],
};

export const SOUNDS = Object.keys(VOICES);

/** One stroke at full level. RangeError for a piece that there is not. */
export function samplesOf(piece, rate) {
  const voice = VOICES[piece];
  if (!voice) throw new RangeError(`no sound for ${piece}`);
  const [length_s, level, make] = voice;
  const count = Math.round(length_s * rate);
  const fade = Math.round(0.01 * rate);
  const made = levelled(make(count, rate), level);
  for (let i = 0; i < fade; i++) made[count - 1 - i] *= i / fade;
  return made;
}

/** How loud a velocity (1 to 127) sounds: some 40 dB from end to end, as sampled kits have it. */
export const gainOf = (velocity) => (velocity / 127) ** 2 * 1.15;
