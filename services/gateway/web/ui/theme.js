// Light, dark, or as the device has it.

import { read, write } from "../core/store.js";

const PLACE = "backbeat.theme";
const ORDER = ["auto", "light", "dark"];

export const changed = new EventTarget();

function apply(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  changed.dispatchEvent(new Event("change"));
}

export function start() {
  apply(read(PLACE) ?? "auto");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => changed.dispatchEvent(new Event("change")));
}

/** The other of light and dark; back to the device's own when that is the same. */
export function next() {
  const now = read(PLACE) ?? "auto";
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const other = { auto: dark ? "light" : "dark", light: dark ? "auto" : "dark", dark: dark ? "light" : "auto" }[now];
  const theme = ORDER.includes(other) ? other : "auto";
  write(PLACE, theme);
  apply(theme);
}
