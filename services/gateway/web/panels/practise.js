// Practising: loops from the score, a ladder of tempos, and what was done so far.

import { html, svg } from "../vendor/lit-html.js";
import { get } from "../core/api.js";
import { date, duration, t } from "../core/texts.js";
import { trouble } from "../ui/trouble.js";
import { RATES } from "../score/player.js";

export class History {
  constructor(page) {
    this.page = page;
    this.summary = null;
    this.problem = null;
  }

  async load({ again = false } = {}) {
    // A failure is drawn, and drawing asks again: it is for the user to try once more.
    if ((this.summary || this.loading || this.problem) && !again) return;
    if (this.page.source.readOnly) return;
    this.loading = true;
    try {
      const root = `/notation/${this.page.source.id}/practice`;
      const [summary, recent] = await Promise.all([get(`${root}/summary`), get(root, { query: { limit: 8 } })]);
      this.summary = summary;
      this.recent = recent.items;
      this.problem = null;
    } catch (problem) {
      this.problem = problem;
    } finally {
      this.loading = false;
    }
    this.page.draw();
  }
}

export function practisePanel(page) {
  const { player, history, view } = page;
  history.load();
  const bars = view.bars.map((bar) => bar.bar);
  const loop = player.loop;
  const set = (event) => {
    const form = new FormData(event.currentTarget.form);
    player.setLoop(Number(form.get("from")), Number(form.get("to")));
  };
  const field = (name, label, value) =>
    html`<label>${label}<input type="number" name=${name} min=${bars[0]} max=${bars.at(-1)} .value=${String(value)} @change=${(event) => loop && set(event)} @keydown=${(event) => event.key === "Enter" && set(event)}></label>`;
  return html`<form class="row" @submit=${(event) => event.preventDefault()}>
      ${field("from", t("practise.from"), loop?.from ?? bars[0])}${field("to", t("practise.to"), loop?.to ?? bars.at(-1))}
      <button type="button" class="small" aria-pressed=${loop !== null} @click=${(event) => (loop ? player.setLoop(null) : set(event))}>${t("practise.loop")}</button>
    </form>
    <p class="hint">${t("practise.loop-hint")}</p>
    <fieldset class="palette"><legend>${t("practise.speed")}</legend>
      ${RATES.filter((rate) => [0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1].includes(rate)).map(
        (rate) => html`<button class="small" aria-pressed=${player.rate === rate} @click=${() => player.setRate(rate)}>${Math.round(rate * 100)} %</button>`,
      )}
    </fieldset>
    <label class="check"><input type="checkbox" .checked=${page.ladder} @change=${(event) => page.setLadder(event.target.checked)}> ${t("practise.ladder")}</label>
    ${history.problem ? trouble(history.problem, () => history.load({ again: true })) : ""}
    ${history.summary ? past(page, history) : ""}`;
}

function past(page, history) {
  const { summary, recent } = history;
  if (!summary.sessions) return html`<p class="hint">${t("practise.nothing")}</p>`;
  const most = Math.max(...summary.bars.map((bar) => bar.seconds), 1);
  const known = new Map(summary.bars.map((bar) => [bar.bar, bar]));
  return html`<h3>${t("practise.history")}</h3>
    <p>${t("practise.total", { n: summary.sessions, time: duration(summary.total_seconds) })}</p>
    <svg class="heat" viewBox="0 0 ${page.view.bars.length} 1" preserveAspectRatio="none" role="img" aria-label=${t("practise.heat")}>
      ${page.view.bars.map((bar, index) => heat(index, known.get(bar.bar), most))}
    </svg>
    <ul class="sessions">${recent.map(
      (session) => html`<li><button class="link" @click=${() => page.player.setLoop(session.from_bar, session.to_bar)}>${t("practise.bars", { from: session.from_bar, to: session.to_bar })}</button>
        <span>${Math.round(session.speed * 100)} %</span><span>${duration(session.seconds)}</span><small>${date(session.started_at)}</small></li>`,
    )}</ul>`;
}


const heat = (index, bar, most) =>
  svg`<rect x=${index + 0.05} y="0" width="0.9" height="1" fill="currentColor" fill-opacity=${bar ? 0.15 + 0.85 * (bar.seconds / most) : 0.06}></rect>`;
