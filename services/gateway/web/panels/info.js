// The score in numbers, and its history.

import { html, svg } from "../vendor/lit-html.js";
import { get } from "../core/api.js";
import { t } from "../core/texts.js";
import { trouble } from "../ui/trouble.js";

export class Info {
  constructor(page) {
    this.page = page;
    this.forget();
  }

  /** Another version: other numbers. */
  forget() {
    this.stats = null;
    this.versions = null;
    this.problem = null;
    this.asked = false;
  }

  async load() {
    if (this.asked || this.page.source.readOnly) return;
    this.asked = true;
    try {
      const root = `/notation/${this.page.source.id}`;
      [this.stats, this.versions] = await Promise.all([get(`${root}/stats`), get(`${root}/versions`)]);
    } catch (problem) {
      this.problem = problem;
    }
    this.page.draw();
  }

  again() {
    this.forget();
    this.page.draw();
  }
}

const signed = (ms) => (ms == null ? "–" : `${ms > 0 ? "+" : ms < 0 ? "−" : ""}${Math.abs(ms).toFixed(1)} ms`);

export function infoPanel(page) {
  const { info, view } = page;
  info.load();
  const facts = [
    [t("info.tempo"), view.tempo ? t("info.bpm", { n: view.tempo }) : "–"],
    [t("info.meter"), view.time_signature ?? "–"],
    [t("info.bars"), view.bars.length],
    [t("info.notes"), view.notes.length],
    [t("info.unsure"), page.unsureCount],
    [t("info.unwritten"), view.unwritten?.length ?? 0],
  ];
  const { stats } = info;
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${info.problem ? trouble(info.problem, () => info.again()) : ""}
    ${stats ? timing(stats) : ""}
    ${info.versions
      ? html`<h3>${t("info.versions")}</h3><ol class="versions">
          ${info.versions.slice(0, 60).map(
            (version) => html`<li>
              <span><strong>${t("info.version", { n: version.version })}</strong><small>${version.change}</small><small>${new Date(version.created_at).toLocaleString("en")}</small></span>
              ${version.version === page.view.version
                ? html`<em>${t("info.current")}</em>`
                : html`<button class="small" @click=${() => page.saves.request("restore", { version: version.version })}>${t("info.restore")}</button>`}
            </li>`,
          )}</ol>`
      : ""}`;
}

function timing(stats) {
  const rows = stats.by_piece.filter((piece) => piece.timing?.notes);
  // A score that nobody played has no timing.
  return html`${stats.timing ? deviations(stats, rows) : ""}
    <h3>${t("info.strokes")}</h3>
    <dl class="facts">${["accent", "ghost", "flam", "drag"].map((mark) => html`<div><dt>${t(`mark.${mark}`)}</dt><dd>${stats.articulations[mark] ?? 0}</dd></div>`)}</dl>
    ${density(stats)}`;
}

function deviations(stats, rows) {
  return html`<h3>${t("info.timing")}</h3>
    <p class="hint">${t("info.timing-about")}</p>
    <table class="pieces"><caption class="visually-hidden">${t("info.timing")}</caption>
      <thead><tr><th scope="col">${t("mix.piece")}</th><th scope="col">${t("info.median")}</th><th scope="col">${t("info.spread")}</th></tr></thead>
      <tbody>${rows.map(
        ({ piece, timing: found }) => html`<tr><th scope="row">${t(`piece.${piece}`)}</th><td>${signed(found.median_ms)}</td><td>${found.notes > 1 && found.spread_ms != null ? `${found.spread_ms.toFixed(1)} ms` : "–"}</td></tr>`,
      )}</tbody></table>
    <p class="hint">${t("info.early-late", { early: stats.timing.early, late: stats.timing.late })}</p>`;
}

/** Strokes a bar, as a row of columns. */
function density(stats) {
  const most = Math.max(1, ...stats.bars.map((bar) => bar.strokes));
  return html`<h3>${t("info.density")}</h3>
    <svg class="density" viewBox="0 0 ${stats.bars.length} 1" preserveAspectRatio="none" role="img" aria-label=${t("info.density-label", { most })}>
      ${stats.bars.map((bar, index) => svg`<rect x=${index + 0.08} y=${1 - bar.strokes / most} width="0.84" height=${bar.strokes / most} fill="currentColor"></rect>`)}
    </svg>`;
}
