// Line icons of our own, on a grid of 24.

import { svg, html } from "../vendor/lit-html.js";

const PATHS = {
  play: svg`<path d="M7 4.5v15l13-7.5z" fill="currentColor" stroke="none"/>`,
  pause: svg`<path d="M7 5h3.5v14H7zM13.500 5H17v14h-3.500z" fill="currentColor" stroke="none"/>`,
  start: svg`<path d="M6 5v14M19 5L9 12l10 7z"/>`,
  loop: svg`<path d="M4 12a6 6 0 0 1 6-6h9m-3-3l3 3-3 3M20 12a6 6 0 0 1-6 6H5m3 3l-3-3 3-3"/>`,
  click: svg`<path d="M9 3h6l4 18H5zM12 14l5-8"/>`,
  count: svg`<path d="M5 7v10M10 7v10M15 7v10M20 7v10" /><path d="M3 4h18"/>`,
  undo: svg`<path d="M8 5L4 9l4 4M4 9h10a6 6 0 0 1 0 12h-4"/>`,
  redo: svg`<path d="M16 5l4 4-4 4M20 9H10a6 6 0 0 0 0 12h4"/>`,
  pencil: svg`<path d="M4 20l1-5L16 4l4 4L9 19zM13 7l4 4"/>`,
  mixer: svg`<path d="M6 4v9m0 4v3M12 4v3m0 4v9M18 4v11m0 4v1M4 15h4M10 9h4M16 17h4"/>`,
  share: svg`<circle cx="6" cy="12" r="2.500"/><circle cx="18" cy="6" r="2.500"/><circle cx="18" cy="18" r="2.500"/><path d="M8.200 11l7.600-4M8.200 13l7.600 4"/>`,
  save: svg`<path d="M12 4v11m-4-4l4 4 4-4M5 20h14"/>`,
  chart: svg`<path d="M4 20h16M7 17v-6M12 17V6M17 17v-9"/>`,
  teacher: svg`<path d="M12 4L2 9l10 5 10-5zM6 11v5c3 3 9 3 12 0v-5"/>`,
  hands: svg`<path d="M5 20L17 6M19 20L7 6"/><ellipse cx="17.500" cy="5" rx="1.600" ry="1.600" fill="currentColor"/><ellipse cx="6.500" cy="5" rx="1.600" ry="1.600" fill="currentColor"/>`,
  target: svg`<circle cx="12" cy="12" r="8"/><circle cx="12" cy="12" r="3"/>`,
  more: svg`<path d="M5 12h.01M12 12h.01M19 12h.01" stroke-width="3"/>`,
  moon: svg`<path d="M19 14A8 8 0 0 1 10 5a8 8 0 1 0 9 9z"/>`,
  bin: svg`<path d="M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v6M14 11v6"/>`,
  plus: svg`<path d="M12 5v14M5 12h14"/>`,
  minus: svg`<path d="M5 12h14"/>`,
  question: svg`<path d="M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2M12 18h.01"/><circle cx="12" cy="12" r="9.500"/>`,
  camera: svg`<path d="M3 7h11v10H3zM14 11l7-4v10l-7-4"/>`,
  upload: svg`<path d="M12 20V7m-5 4l5-5 5 5M5 3h14"/>`,
  print: svg`<path d="M7 8V3h10v5M5 17H3V9h18v8h-2M7 14h10v7H7z"/>`,
  history: svg`<path d="M4 6v5h5M4.500 11A8 8 0 1 1 5 16M12 8v5l3 2"/>`,
  speaker: svg`<path d="M4 10v4h4l5 4V6l-5 4zM16 9a4 4 0 0 1 0 6M18.500 6.500a8 8 0 0 1 0 11"/>`,
};

/** An icon that says nothing by itself: its button has a label. */
export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${PATHS[name]}</svg>`;
