// The pieces of the kit as the page shows them: order from top to bottom of a kit, lane in the
// waveform, colour (told apart by colour-blind eyes and on both backgrounds), key for the editor.

/** @typedef {{name: string, lane: number, colour: string, key: string}} Piece */

const rows = [
  ["crash", 0, "#c9932b", "c"],
  ["crash-2", 0, "#b07d1a", ""],
  ["splash", 0, "#dba94a", ""],
  ["china", 0, "#a0782f", ""],
  ["ride", 1, "#2f9e8f", "r"],
  ["ride-bell", 1, "#1d8577", "b"],
  ["hat-closed", 2, "#3f8fd2", "h"],
  ["hat-half-open", 2, "#5aa3de", ""],
  ["hat-open", 2, "#74b6ea", "o"],
  ["hat-pedal", 2, "#2a6fae", "p"],
  ["tom-high", 3, "#a06ad0", "1"],
  ["tom-mid", 3, "#8b54bd", "2"],
  ["tom-floor", 3, "#7541a6", "3"],
  ["snare", 4, "#e2574c", "s"],
  ["cross-stick", 4, "#c9453b", "x"],
  ["rimshot", 4, "#f0776d", ""],
  ["kick", 5, "#8a8f98", "k"],
  ["cowbell", 1, "#6d9a3a", ""],
  ["tambourine", 1, "#82ad50", ""],
];

/** @type {Piece[]} */
export const PIECES = rows.map(([name, lane, colour, key]) => ({ name, lane, colour, key }));
export const LANES = 6;

const byName = new Map(PIECES.map((piece) => [piece.name, piece]));
const byKey = new Map(PIECES.filter((piece) => piece.key).map((piece) => [piece.key, piece.name]));

export const colourOf = (name) => byName.get(name)?.colour ?? "#888";
export const laneOf = (name) => byName.get(name)?.lane ?? 5;
export const pieceOfKey = (key) => byKey.get(key) ?? null;
