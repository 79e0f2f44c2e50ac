// Every word that the studio says lies in `texts/`, by a key. Another language is another file there.

import english from "../texts/en.js";

const rules = new Intl.PluralRules("en");
const whole = new Intl.NumberFormat("en");

/**
 * The text of a key. `{name}` stands for a parameter; a text that is an object has a form per plural
 * of `n`. An unknown key is a mistake of ours, and shows itself.
 */
export function t(key, parameters = {}) {
  let text = english[key];
  if (text === undefined) throw new Error(`no text for ${key}`);
  if (typeof text === "object") text = text[rules.select(parameters.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = parameters[name];
    return typeof value === "number" ? whole.format(value) : String(value ?? "");
  });
}

/** The text of a key, or of the other when there is none. */
export const orElse = (key, other) => (key in english ? t(key) : other);

export function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return "–:––";
  const all = Math.max(0, Math.floor(seconds));
  return `${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}`;
}

/** With tenths, for a place in the recording. */
export const moment = (seconds) => `${duration(seconds)}.${Math.floor((Math.max(0, seconds) % 1) * 10)}`;

export function date(text) {
  return new Date(text).toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let power = 0;
  while (bytes >= 1000 && power < units.length - 1) {
    bytes /= 1000;
    power += 1;
  }
  return `${bytes >= 100 || power === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${units[power]}`;
}

/** A refused request in plain words, with what to do. */
export function wordsFor(problem) {
  if (problem?.code === "offline") return t("problem.offline");
  const own = `problem.${problem?.code}`;
  return own in english ? t(own) : problem?.message || t("problem.unknown");
}
