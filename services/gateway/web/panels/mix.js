// What is heard and what stands out: recording and drums, piece by piece.

import { html } from "../vendor/lit-html.js";
import { t } from "../core/texts.js";
import { colourOf, PIECES } from "../score/pieces.js";

const slider = (label, value, change) =>
  html`<label class="slider"><span>${label}</span>
    <input type="range" min="0" max="1" step="0.02" .value=${String(value)} @input=${(event) => change(Number(event.target.value))}></label>`;

export function mixPanel(page) {
  const { player } = page;
  const counts = page.counts;
  const choose = (mix) => () => {
    player.band.wake();
    player.setMix(mix);
  };
  const mixes = page.hasMedia ? ["recording", "both", "drums"] : ["drums"];
  return html`
    <fieldset class="segmented"><legend>${t("mix.hear")}</legend>
      ${mixes.map(
        (mix) => html`<button aria-pressed=${player.mix === mix} @click=${choose(mix)}>${t(`mix.${mix}`)}</button>`,
      )}
    </fieldset>
    ${player.mix !== "recording"
      ? html`<fieldset class="segmented"><legend>${t("mix.timing")}</legend>
          ${["played", "written"].map(
            (timing) => html`<button aria-pressed=${player.timing === timing} @click=${() => ((player.timing = timing), player.changed())}>${t(`mix.${timing}`)}</button>`,
          )}</fieldset>`
      : ""}
    ${page.hasMedia ? slider(t("mix.recording-level"), player.volume, (value) => player.setVolume(value)) : ""}
    ${slider(t("mix.drum-level"), player.band.drumLevel, (value) => (player.band.drumLevel = value))}
    ${slider(t("mix.click-level"), player.band.clickLevel, (value) => (player.band.clickLevel = value))}
    <table class="pieces">
      <caption class="visually-hidden">${t("mix.pieces")}</caption>
      <thead><tr><th scope="col">${t("mix.piece")}</th><th scope="col">${t("mix.notes")}</th><th scope="col">${t("mix.show")}</th></tr></thead>
      <tbody>
        ${PIECES.filter((piece) => counts.get(piece.name)).map((piece) => {
          const muted = player.muted.has(piece.name);
          const lit = page.highlight === piece.name;
          return html`<tr>
            <th scope="row"><svg class="dot" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5" fill=${colourOf(piece.name)} /></svg>${t(`piece.${piece.name}`)}</th>
            <td>${counts.get(piece.name)}</td>
            <td>
              <button class="small" aria-pressed=${muted} aria-label=${t("mix.mute-piece", { piece: t(`piece.${piece.name}`) })} @click=${() => page.mute(piece.name)}>${t("mix.mute")}</button>
              <button class="small" aria-pressed=${lit} aria-label=${t("mix.highlight-piece", { piece: t(`piece.${piece.name}`) })} @click=${() => page.setHighlight(lit ? null : piece.name)}>${t("mix.highlight")}</button>
            </td></tr>`;
        })}
      </tbody>
    </table>`;
}
