// The hands: what the camera saw, how far sound and picture lie apart, and how to look again.

import { html } from "../vendor/lit-html.js";
import { ask, get, post, remove } from "../core/api.js";
import { follow } from "../core/stream.js";
import { duration, orElse, t } from "../core/texts.js";
import { trouble } from "../ui/trouble.js";

const ABSENT = "service-not-installed";
const UNSEEN = "not-seen-yet";
const OPEN = ["pending", "running"];
const SHOWN = ["auto", "all", "none"];
const COUNTS = ["right", "left", "both", "unknown"];
const MOST_STILLS = 8;
const MOST_OPINIONS = 12;
const SAME_S = 0.002;
/** A look this fresh may still be on its way into the score. */
const FRESH_MS = 60_000;

const byAge = (a, b) => a.created_at.localeCompare(b.created_at);

export class Hands {
  constructor(page) {
    this.page = page;
    /** new | asked | there | unseen | absent */
    this.state = "new";
    this.video = null;
    this.seen = null;
    this.sight = null;
    this.job = null;
    this.pictures = null;
    this.problem = null;
    this.busy = false;
    this.leaving = new AbortController();
  }

  get #root() {
    return `/vision/analysis/${this.page.source.videoId}`;
  }

  /** What a video's jobs tell: nothing is asked for that is not there. */
  begin(video) {
    if (this.video) return;
    this.video = video;
    const jobs = video.jobs.filter((job) => job.job_type === "vision").sort(byAge);
    const done = jobs.findLast((job) => job.status === "completed");
    const open = jobs.findLast((job) => OPEN.includes(job.status));
    if (done && this.state === "new") this.#load();
    if (open) this.#watch(open);
    else if (done?.result?.marked_count && Date.now() - Date.parse(done.finished_at) < FRESH_MS && !this.page.hasSeenHands) this.page.handsCame();
  }

  load() {
    if (this.state === "new" && this.page.source.videoId) this.#load();
  }

  async #load() {
    this.state = "asked";
    this.problem = null;
    try {
      await this.#read();
    } catch (problem) {
      if (problem.code === ABSENT) this.state = "absent";
      else if (problem.code === UNSEEN) this.state = "unseen";
      else this.problem = problem;
    }
    this.page.draw();
  }

  async #read() {
    const seen = await get(this.#root);
    const sight = seen.marked_count ? await get(`${this.#root}/sight`) : null;
    if (this.leaving.signal.aborted) return;
    this.seen = seen;
    this.sight = sight;
    this.state = "there";
    this.#forgetPictures();
    this.page.showHands();
  }

  /** Seconds by which the sound comes after the picture of what is heard then. */
  lagAt(time_s) {
    const all_s = this.seen?.sync?.offset_s ?? 0;
    const lagIn = (view) => view.sync?.offset_s ?? all_s;
    const found = this.seen?.views.find((view) => time_s - lagIn(view) >= view.start_s && time_s - lagIn(view) < view.end_s);
    return found ? lagIn(found) : all_s;
  }

  /** For the strip: the strokes in order, a hand that somebody set in the score before one that was seen. */
  strokes(byId) {
    return (this.sight?.strokes ?? []).map(({ hit, onset_s, piece, hand, confidence }) => {
      const note = noteOf(byId, hit, onset_s);
      const set = note?.sticking_source === "user";
      return { id: note ? hit : null, time_s: onset_s, piece, hand: set ? note.sticking : hand, confidence: set ? 1 : confidence };
    });
  }

  /** For the strip: where the camera showed no hands, in the sound's time. */
  unseen() {
    const all_s = this.seen?.sync?.offset_s ?? 0;
    return (this.seen?.views ?? [])
      .filter((view) => !view.usable)
      .map((view) => ({ from_s: view.start_s + (view.sync?.offset_s ?? all_s), to_s: view.end_s + (view.sync?.offset_s ?? all_s) }));
  }

  get words() {
    return t("hands.told", { told: this.seen.marked_count, n: this.seen.stroke_count });
  }

  /** Look, or look again. */
  async look(options) {
    this.busy = true;
    this.problem = null;
    this.job = null;
    this.page.draw();
    try {
      const taken = await post(`/vision/analyze/${this.page.source.videoId}`, options);
      await this.#watch({ id: taken.job_id, status: taken.status, progress: 0 });
    } catch (problem) {
      if (problem.code === ABSENT) this.state = "absent";
      else this.problem = problem;
    }
    this.busy = false;
    this.page.draw();
  }

  /** Follow a look to its end, and show what came of it. */
  async #watch(job) {
    this.job = job;
    this.page.draw();
    const { signal } = this.leaving;
    try {
      if (OPEN.includes(job.status)) {
        await follow(`/jobs/${job.id}/events`, {
          signal,
          onState: (state) => {
            this.link = state;
            this.page.draw();
          },
          onEvent: (kind, now) => {
            if (kind === "job") this.job = now;
            this.page.draw();
          },
        });
      }
      if (signal.aborted) return;
      if (this.job.status === "completed") {
        this.job = null;
        await this.#read();
        // Without a usable view the score may lose hands that were told before.
        this.page.handsCame();
      }
    } catch (problem) {
      this.job = null;
      this.problem = problem;
    }
    this.page.draw();
  }

  async cancel() {
    try {
      await remove(`/jobs/${this.job.id}`);
    } catch (problem) {
      this.problem = problem;
      this.page.draw();
    }
  }

  again() {
    this.#load();
  }

  /** The overlay cannot be had by an address: who asks must sign. */
  loadPictures() {
    const { clip, stills } = this.seen.links;
    if (this.pictures || !(clip || stills.length)) return;
    this.pictures = { clip: null, stills: [], problem: null };
    const { pictures } = this;
    const fetched = async (path) => {
      const answer = await ask("GET", path, { signal: this.leaving.signal });
      return URL.createObjectURL(await answer.blob());
    };
    const all = [clip && fetched(clip).then((url) => (pictures.clip = url)), ...stills.slice(0, MOST_STILLS).map((path, index) => fetched(path).then((url) => (pictures.stills[index] = url)))];
    Promise.allSettled(all.filter(Boolean)).then((ended) => {
      if (this.pictures !== pictures || this.leaving.signal.aborted) {
        this.#revoke(pictures);
        return;
      }
      pictures.problem = ended.find((each) => each.status === "rejected")?.reason ?? null;
      this.page.draw();
    });
  }

  #revoke(pictures) {
    for (const url of [pictures.clip, ...pictures.stills]) if (url) URL.revokeObjectURL(url);
  }

  #forgetPictures() {
    if (this.pictures) this.#revoke(this.pictures);
    this.pictures = null;
  }

  picturesAgain() {
    this.#forgetPictures();
    this.page.draw();
  }

  close() {
    this.leaving.abort();
    this.#forgetPictures();
  }
}

export function handsPanel(page) {
  const { hands } = page;
  if (!page.source.videoId || hands.video?.has_video === false) return html`<p>${t("hands.no-picture")}</p>${shown(page)}`;
  hands.load();
  if (hands.state === "absent") return html`<p>${t("hands.absent")}</p>${shown(page)}`;
  return html`${hands.problem ? trouble(hands.problem, () => hands.again()) : ""}
    ${hands.state === "asked" && !hands.problem ? html`<p role="status">${t("ui.loading")}</p>` : ""}
    ${hands.state === "unseen" && !hands.job ? html`<p>${t("hands.unseen")}</p>` : ""}
    ${work(hands)}
    ${hands.seen ? told(page) : ""}
    ${shown(page)}
    ${hands.state === "there" || hands.state === "unseen" ? settings(hands) : ""}`;
}

/** A look that is under way, or that came to nothing. */
function work(hands) {
  const { job, link } = hands;
  if (!job) return "";
  if (!OPEN.includes(job.status)) return html`<p class="error" role="alert">${job.error_message ?? t(`job.${job.status}`)}</p>`;
  return html`<div class="step ${job.status}" data-testid="look">
    <h3>${t("step.vision")}</h3>
    <p role="status">${job.message ?? t(`job.${job.status}`)}</p>
    ${link === "waiting" ? html`<p class="warning" role="status">${t("video.waiting")}</p>` : ""}
    <progress max="1" value=${job.progress ?? 0} aria-label=${t("step.vision")}></progress>
    <button class="small" @click=${() => hands.cancel()}>${t("ui.cancel")}</button>
  </div>`;
}

function told(page) {
  const { hands } = page;
  const { seen } = hands;
  return html`${seen.outdated ? html`<p class="warning">${t("hands.outdated")}</p>` : ""}
    ${seen.usable ? html`<p class="status">${hands.words}</p>` : html`<p class="status">${t("hands.unusable")}</p>`}
    <p>${seen.words}</p>
    ${seen.heard ? "" : html`<p>${t("hands.unheard")}</p>`}
    ${seen.missing.map((name) => html`<p class="warning">${orElse(`hands.missing.${name}`, t("hands.missing", { name }))}</p>`)}
    <h3>${t("hands.sync")}</h3>
    <p data-testid="sync">${syncWords(seen.sync)}</p>
    ${seen.sync ? html`<p class="hint">${t(`hands.sync-${seen.sync.source}`, { n: seen.sync.significance.toFixed(1) })}</p>` : ""}
    ${overlay(hands)}
    ${seen.views.length ? html`<h3>${t("hands.views")}</h3><ol class="views">${seen.views.map((view) => shot(page, view))}</ol>` : ""}
    ${opinions(page)}
    ${seen.marked_count ? counts(seen) : ""}`;
}

const counts = (seen) => html`<h3>${t("hands.by-piece")}</h3><table data-testid="hand-counts">
    <thead><tr><th scope="col">${t("mix.piece")}</th>${COUNTS.map((name) => html`<th scope="col">${t(`hands.${name}`)}</th>`)}</tr></thead>
    <tbody>${seen.pieces.map((piece) => html`<tr><th scope="row">${t(`piece.${piece.instrument}`)}</th>${COUNTS.map((name) => html`<td>${piece[name]}</td>`)}</tr>`)}</tbody>
    <tfoot><tr><th scope="row">${t("hands.all")}</th>${COUNTS.map((name) => html`<td>${seen.hands[name]}</td>`)}</tr></tfoot>
  </table>`;

function syncWords(sync) {
  if (!sync) return t("hands.sync-unsure");
  const ms = Math.round(1000 * sync.offset_s);
  if (ms === 0) return t("hands.sync-together");
  return t(ms > 0 ? "hands.sync-after" : "hands.sync-before", { ms: Math.abs(ms) });
}

function overlay(hands) {
  const { clip, stills } = hands.seen.links;
  if (!clip && !stills.length) return "";
  hands.loadPictures();
  const { pictures } = hands;
  return html`<h3>${t("hands.overlay")}</h3>
    ${pictures.problem ? trouble(pictures.problem, () => hands.picturesAgain()) : ""}
    ${pictures.clip
      ? // Its keys are its own, not the recording's.
        html`<video class="overlay-clip" controls muted playsinline preload="metadata" src=${pictures.clip} aria-label=${t("hands.clip")} @keydown=${(event) => event.stopPropagation()}></video>`
      : ""}
    <div class="stills">${pictures.stills.map((url, index) => html`<img src=${url} alt=${t("hands.still", { n: index + 1 })}>`)}</div>`;
}

function shot(page, view) {
  const from_s = view.start_s + page.hands.lagAt(view.start_s);
  return html`<li class=${view.usable ? "usable" : "unusable"}>
    <button class="link" @click=${() => page.player.seek(from_s)}>${duration(view.start_s)} – ${duration(view.end_s)}</button>
    <strong>${t(view.usable ? "hands.usable" : "hands.not-usable")}</strong>
    <span>${view.words}</span></li>`;
}

/** The note of a hit. Each hearing counts its hits anew: after another one, the same id is another stroke. */
function noteOf(byId, hit, onset_s) {
  const note = byId.get(hit);
  return note?.played_s != null && Math.abs(note.played_s - onset_s) <= SAME_S ? note : undefined;
}

/** Where the eye is of another opinion than the ear. */
function opinions(page) {
  const { timeline } = page.sheet;
  const times = new Map((page.hands.sight?.strokes ?? []).map(({ hit, onset_s }) => [hit, onset_s]));
  const found = page.hands.seen.opinions
    .map((each) => ({ ...each, note: noteOf(timeline.byId, each.hit, times.get(each.hit)) }))
    .filter((each) => each.note);
  if (!found.length) return "";
  return html`<h3>${t("hands.opinions")}</h3><ul class="views">${found.slice(0, MOST_OPINIONS).map(
    ({ note, heard, seen, confidence }) => html`<li><button class="link" @click=${() => page.goToNote(note.id)}>${page.placeOf(note)}</button>
      <span>${t("hands.opinion", { heard: t(`piece.${heard}`), seen: t(`piece.${seen}`), percent: Math.round(100 * confidence) })}</span></li>`,
  )}</ul>`;
}

/** Which hands stand under the notes. */
function shown(page) {
  const { view } = page;
  if (!view.sticking_shown) return "";
  const hidden = view.notes.filter((note) => note.sticking_hidden).length;
  return html`<fieldset class="segmented"><legend>${t("hands.shown")}</legend>
      ${SHOWN.map((each) => html`<button aria-pressed=${view.sticking_shown === each} @click=${() => page.showSticking(each)}>${t(`hands.shown-${each}`)}</button>`)}
    </fieldset>
    ${view.sticking_shown === "auto" && hidden ? html`<p class="hint">${t("hands.shown-about", { n: hidden })}</p>` : ""}`;
}

function settings(hands) {
  const { seen, job, busy } = hands;
  const options = seen?.options ?? {};
  const open = busy || (job && OPEN.includes(job.status));
  const choice = (name, values, chosen, found) =>
    html`<label>${t(`hands.${name}`)}<select name=${name}>
      ${[["", found === null ? t("hands.found") : t("hands.found-as", { found })], ...values.map((value) => [value, t(`hands.${name}.${value}`)])].map(
        ([value, label]) => html`<option value=${value} ?selected=${value === chosen} .selected=${value === chosen}>${label}</option>`,
      )}</select></label>`;
  const foundAs = (name, value) => (seen && options[name] == null && value != null ? t(`hands.${name}.${value}`) : null);
  return html`<h3>${t("hands.settings")}</h3>
    <form class="stack" @submit=${(event) => {
      event.preventDefault();
      const given = new FormData(event.target);
      const ms = given.get("offset_ms");
      hands.look({
        mirrored: { true: true, false: false }[given.get("mirrored")] ?? null,
        handed: given.get("handed") || null,
        offset_s: ms === "" ? null : Number(ms) / 1000,
      });
    }}>
      ${choice("mirrored", ["true", "false"], options.mirrored == null ? "" : String(options.mirrored), foundAs("mirrored", seen?.mirrored))}
      ${choice("handed", ["right", "left"], options.handed ?? "", foundAs("handed", seen?.handed))}
      <label>${t("hands.offset")}<input type="number" name="offset_ms" min="-1000" max="1000" step="1" .value=${options.offset_s == null ? "" : String(Math.round(1000 * options.offset_s))}></label>
      <p class="hint">${t("hands.settings-about")}</p>
      <button class="primary" ?disabled=${open}>${t(seen ? "hands.look-again" : "hands.look")}</button>
    </form>`;
}
