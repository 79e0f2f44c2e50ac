// One's videos and scores.

import { html, render } from "../vendor/lit-html.js";
import { repeat } from "../vendor/directives/repeat.js";
import { ask, get, newId, remove } from "../core/api.js";
import { date, duration, size, t, wordsFor } from "../core/texts.js";
import { takeBack, uploads } from "../core/uploads.js";
import { icon } from "../ui/icons.js";
import { confirm } from "../ui/dialog.js";
import { canRecord, record } from "../ui/recorder.js";
import { complain } from "../ui/toast.js";
import { topBar } from "./frame.js";

const PAGE = 24;
const LOOK_MS = 2500;
const THUMB_PX = 320;
const SCORES = [".mid", ".midi", ".musicxml", ".xml", ".mxl", ".json"];

const isScore = (file) => SCORES.some((ending) => file.name.toLowerCase().endsWith(ending));

export class LibraryView {
  constructor(root, { go }) {
    this.root = root;
    this.go = go;
    this.videos = [];
    this.scores = [];
    this.unfinished = [];
    this.pictures = new Map();
    this.loaded = false;
    this.cursor = null;
    this.scoresCursor = null;
    this.over = 0;
    this.changed = () => this.load();
    this.listeners = {
      dragenter: (event) => this.#dragging(event, 1),
      dragleave: (event) => this.#dragging(event, -1),
      dragover: (event) => event.preventDefault(),
      drop: (event) => this.#dropped(event),
    };
  }

  async start() {
    uploads.addEventListener("done", this.changed);
    for (const [kind, heard] of Object.entries(this.listeners)) addEventListener(kind, heard);
    this.draw();
    await this.load();
  }

  stop() {
    clearTimeout(this.timer);
    this.stopped = true;
    uploads.removeEventListener("done", this.changed);
    for (const [kind, heard] of Object.entries(this.listeners)) removeEventListener(kind, heard);
    this.pictures.forEach((url) => url && URL.revokeObjectURL(url));
  }

  /** The newest videos again; while one is worked on, look again soon. */
  async load() {
    clearTimeout(this.timer);
    try {
      const [videos, scores, unfinished] = await Promise.all([
        get("/media/videos/", { query: { limit: Math.max(PAGE, Math.min(100, this.videos.length)) } }),
        get("/notation/", { query: { without_video: true, limit: Math.max(PAGE, Math.min(100, this.scores.length)) } }),
        get("/media/uploads/", { query: { limit: 20 } }),
      ]);
      if (this.stopped) return;
      this.videos = videos.items;
      this.cursor = videos.next_cursor;
      this.scores = scores.items.filter((score) => score.video_id === null);
      this.scoresCursor = scores.next_cursor;
      // Begun on another visit, or in another window; those of this one are in the tray.
      this.unfinished = unfinished.items.filter((each) => each.state === "receiving" && !uploads.has(each.id));
      this.problem = null;
      this.loaded = true;
      this.videos.forEach((video) => this.#picture(video));
    } catch (problem) {
      this.problem = problem;
    }
    if (this.stopped) return;
    this.draw();
    if (this.problem || this.videos.some((video) => video.status === "processing")) {
      this.timer = setTimeout(() => this.load(), LOOK_MS);
    }
  }

  async more() {
    const page = await get("/media/videos/", { query: { limit: PAGE, cursor: this.cursor } });
    this.videos = [...this.videos, ...page.items];
    this.cursor = page.next_cursor;
    page.items.forEach((video) => this.#picture(video));
    this.draw();
  }

  async moreScores() {
    const page = await get("/notation/", { query: { without_video: true, limit: PAGE, cursor: this.scoresCursor } });
    this.scores = [...this.scores, ...page.items.filter((score) => score.video_id === null)];
    this.scoresCursor = page.next_cursor;
    this.draw();
  }

  /** A picture cannot be asked for with a token by its address alone: it is fetched. */
  async #picture(video) {
    if (!video.has_video || this.pictures.has(video.id)) return;
    this.pictures.set(video.id, "");
    try {
      const answer = await ask("GET", `/media/videos/${video.id}/thumbnail`, { query: { width: THUMB_PX } });
      const url = URL.createObjectURL(await answer.blob());
      if (this.stopped) URL.revokeObjectURL(url);
      else this.pictures.set(video.id, url);
      this.draw();
    } catch {
      // The card does without a picture.
    }
  }

  #dragging(event, change) {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    this.over += change;
    this.draw();
  }

  #dropped(event) {
    event.preventDefault();
    this.over = 0;
    this.draw();
    this.take(event.dataTransfer.files);
  }

  /** Videos are uploaded, scores of other programs are read in. */
  async take(files) {
    for (const file of files) {
      try {
        if (isScore(file)) await this.#readIn(file);
        else await uploads.add(file);
      } catch (problem) {
        complain(problem);
      }
    }
  }

  async #readIn(file) {
    const answer = await ask("POST", "/notation/import", {
      query: { file_name: file.name },
      body: file,
      headers: { "Content-Type": "application/octet-stream", "Idempotency-Key": newId() },
    });
    this.go(`/scores/${(await answer.json()).id}`);
  }

  async record() {
    const file = await record();
    if (file) await uploads.add(file);
  }

  async delete(kind, item) {
    const name = item.filename ?? item.title;
    if (!(await confirm(t("library.delete"), t(`library.delete-${kind}`, { name }), t("library.delete"), { dangerous: true }))) return;
    try {
      await remove(kind === "video" ? `/media/videos/${item.id}` : `/notation/${item.id}`);
    } catch (problem) {
      if (problem.status !== 404) complain(problem);
    }
    await this.load();
  }

  async discard(upload) {
    await takeBack(`/media/uploads/${upload.id}`).catch((problem) => problem.status === 404 || complain(problem));
    await this.load();
  }

  draw() {
    const empty = this.loaded && !this.videos.length && !this.scores.length;
    render(
      html`${topBar()}
        <main class="library" id="main">
          <div class="head"><h1>${t("library.title")}</h1>
            <div class="row">
              ${canRecord() ? html`<button @click=${() => this.record()}>${icon("camera")} ${t("library.record")}</button>` : ""}
              <label class="button primary" tabindex="0" @keydown=${(event) => ["Enter", " "].includes(event.key) && (event.preventDefault(), event.currentTarget.querySelector("input").click())}>${icon("upload")} ${t("library.bring")}
                <input class="visually-hidden" type="file" multiple tabindex="-1" accept="video/*,audio/*,${SCORES.join(",")}" data-testid="file" @change=${(event) => (this.take([...event.target.files]), (event.target.value = ""))}></label>
            </div></div>
          ${this.problem ? html`<p class="error" role="alert">${wordsFor(this.problem)}</p>` : ""}
          ${empty
            ? html`<section class="drop"><h2>${t("library.empty")}</h2><p>${t("library.empty-about")}</p><p><a href="/demo">${t("home.try")}</a></p></section>`
            : html`<p class="hint">${t("library.drop-hint")}</p>`}
          ${this.unfinished.length
            ? html`<section class="unfinished"><h2>${t("library.unfinished")}</h2><p class="hint">${t("library.unfinished-about")}</p>
                <ul>${this.unfinished.map(
                  (each) => html`<li class="row spread"><span>${each.filename} <small>${t("library.unfinished-part", { percent: Math.floor((100 * each.received_bytes) / each.size_bytes), size: size(each.size_bytes) })}</small></span>
                    <button class="small" @click=${() => this.discard(each)}>${t("library.discard")}</button></li>`,
                )}</ul></section>`
            : ""}
          ${this.loaded ? "" : html`<p role="status">${t("ui.loading")}</p>`}
          <ul class="cards">${repeat(this.videos, (video) => video.id, (video) => this.card(video))}</ul>
          ${this.cursor ? html`<button @click=${() => this.more().catch(complain)}>${t("library.more")}</button>` : ""}
          ${this.scores.length
            ? html`<h2>${t("library.scores")}</h2><ul class="cards">${repeat(this.scores, (score) => score.id, (score) => this.scoreCard(score))}</ul>`
            : ""}
          ${this.scoresCursor ? html`<button data-testid="more-scores" @click=${() => this.moreScores().catch(complain)}>${t("library.more")}</button>` : ""}
        </main>
        ${this.over > 0 ? html`<div class="overlay"><p>${t("library.drop-here")}</p></div>` : ""}`,
      this.root,
    );
  }

  card(video) {
    const ready = video.status === "ready" && video.notation_id;
    const picture = this.pictures.get(video.id);
    return html`<li class="card" data-status=${video.status}>
      <a class="picture" href=${ready ? `/scores/${video.notation_id}` : `/videos/${video.id}`}>
        ${picture ? html`<img src=${picture} alt="">` : icon(video.has_video ? "camera" : "speaker")}
        <span class="length">${duration(video.duration_seconds)}</span></a>
      <div class="about">
        <h3><a href=${ready ? `/scores/${video.notation_id}` : `/videos/${video.id}`}>${video.filename}</a></h3>
        <p><span class="state ${video.status}">${t(`status.${video.status}`)}</span> <small>${date(video.created_at)}</small></p>
        ${video.status === "processing" ? html`<progress max="1" value=${video.progress} aria-label=${t("status.processing")}></progress>` : ""}
        ${video.status === "failed" ? html`<p class="error">${video.message}</p>` : ""}
      </div>
      <button class="icon corner" aria-label=${t("library.delete-it", { name: video.filename })} @click=${() => this.delete("video", video)}>${icon("bin")}</button>
    </li>`;
  }

  scoreCard(score) {
    return html`<li class="card">
      <a class="picture score-picture" href="/scores/${score.id}" tabindex="-1" aria-hidden="true">${icon("chart")}</a>
      <div class="about"><h3><a href="/scores/${score.id}">${score.title || t("score.untitled")}</a></h3>
        <p><small>${t("library.score-facts", { n: score.bar_count, tempo: score.tempo ?? "–" })}</small></p></div>
      <button class="icon corner" aria-label=${t("library.delete-it", { name: score.title })} @click=${() => this.delete("score", score)}>${icon("bin")}</button>
    </li>`;
  }
}
