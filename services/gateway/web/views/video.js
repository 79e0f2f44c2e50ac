// A video on its way to a score, step by step, as it happens.

import { html, render } from "../vendor/lit-html.js";
import { Again } from "../core/again.js";
import { get, post, remove } from "../core/api.js";
import { follow } from "../core/stream.js";
import { forgetDone } from "../core/uploads.js";
import { orElse, t, wordsFor } from "../core/texts.js";
import { complain } from "../ui/toast.js";
import { trouble } from "../ui/trouble.js";
import { topBar } from "./frame.js";

const PIPELINE = ["extraction", "onset", "notation"];
/** In a run beside it: a score is ready without them. */
const BESIDE = ["enrichment", "vision"];
const ORDER = [...PIPELINE, ...BESIDE];
const LOOK_AT_IT_MS = 900;
const NO_DRUMS = "no-drums-heard";
const HARDER = 0.85;

export class VideoView {
  constructor(root, { go, params }) {
    this.root = root;
    this.go = go;
    this.id = params.id;
    this.video = null;
    this.jobs = new Map();
    this.link = "live";
    this.leaving = new AbortController();
    this.opening = new Again(() => this.#look());
  }

  async start() {
    forgetDone(this.id);
    this.draw();
    await this.#look();
  }

  async #look() {
    try {
      await this.#fetch();
      this.problem = null;
      this.opening.done();
    } catch (problem) {
      if (this.leaving.signal.aborted) return;
      this.problem = problem;
      if (problem.passing) this.opening.later(problem.retryAfterS);
    }
    if (this.leaving.signal.aborted) return;
    this.draw();
    if (this.video && this.#open()) await this.watch();
  }

  async #fetch() {
    this.video = await get(`/media/videos/${this.id}`);
    this.video.jobs.forEach((job) => this.jobs.set(job.id, job));
  }

  stop() {
    this.leaving.abort();
    this.opening.stop();
    clearTimeout(this.timer);
  }

  /** The newest run's steps in order. */
  steps() {
    const all = [...this.jobs.values()].sort((a, b) => a.created_at.localeCompare(b.created_at));
    const run = all.findLast((job) => PIPELINE.includes(job.job_type))?.run_id;
    return all.filter((job) => job.run_id === run).sort((a, b) => ORDER.indexOf(a.job_type) - ORDER.indexOf(b.job_type));
  }

  #open() {
    return [...this.jobs.values()].some((job) => ["pending", "running"].includes(job.status));
  }

  get score() {
    return this.steps().find((job) => job.job_type === "notation")?.result?.notation_id;
  }

  async watch() {
    if (this.watching) return;
    this.watching = true;
    const before = this.score;
    try {
      await follow(`/media/videos/${this.id}/events`, {
        signal: this.leaving.signal,
        onState: (state) => {
          this.link = state;
          this.draw();
        },
        onEvent: (kind, job) => {
          if (kind === "job") this.jobs.set(job.id, job);
          this.draw();
          if (this.score !== before) this.#toScore();
        },
      });
    } catch (problem) {
      this.problem = problem;
    } finally {
      this.watching = false;
    }
    if (!this.leaving.signal.aborted) this.draw();
  }

  /** Soon; what goes on beside the score is not waited for. */
  #toScore() {
    if (this.score) this.timer ??= setTimeout(() => this.go(`/scores/${this.score}`, { replace: true }), LOOK_AT_IT_MS);
  }

  async #ask(work) {
    try {
      await work();
      await this.#fetch();
      if (this.#open()) this.watch();
    } catch (problem) {
      complain(problem);
    }
    this.draw();
  }

  cancel() {
    const job = this.steps().find((each) => ["pending", "running"].includes(each.status));
    if (job) this.#ask(() => remove(`/jobs/${job.id}`));
  }

  retry(job) {
    this.#ask(() => post(`/jobs/${job.id}/retry`, {}));
  }

  /** Hear it again and keep what is less sure, too. */
  listenHarder() {
    this.#ask(() => post("/jobs/", { video_id: this.id, job_type: "onset", options: { sensitivity: HARDER }, follow: true }));
  }

  begin() {
    this.#ask(() => post("/jobs/", { video_id: this.id, job_type: "extraction", follow: true }));
  }

  draw() {
    const steps = this.steps();
    const failed = steps.find((job) => !BESIDE.includes(job.job_type) && (job.status === "failed" || (job.status === "cancelled" && job.error_code === "cancelled")));
    render(
      html`${topBar()}<main class="working" id="main">
        <h1>${this.video?.filename ?? t("video.title")}</h1>
        ${this.problem?.passing ? trouble(this.problem, this.opening.now) : this.problem ? html`<p class="error" role="alert">${wordsFor(this.problem)}</p>` : ""}
        ${this.link === "waiting" ? html`<p class="warning" role="status" data-testid="stream-lost">${t("video.waiting")}</p>` : ""}
        ${!this.video && !this.problem ? html`<p role="status">${t("ui.loading")}</p>` : ""}
        ${this.video && !steps.length ? html`<p>${t("video.nothing-yet")}</p><button class="primary" @click=${() => this.begin()}>${t("video.begin")}</button>` : ""}
        <ol class="steps" aria-live="polite">${steps.map((job) => this.step(job))}</ol>
        ${failed
          ? html`<section class="trouble" role="alert"><h2>${t(failed.status === "cancelled" ? "video.cancelled" : "video.failed")}</h2>
              <p>${failed.error_message}</p>
              <p>${orElse(`advice.${failed.error_code}`, "")}</p>
              <div class="row">${failed.retryable ? html`<button class="primary" @click=${() => this.retry(failed)}>${t("video.retry")}</button>` : ""}
              ${failed.error_code === NO_DRUMS ? html`<button class="primary" @click=${() => this.listenHarder()}>${t("video.listen-harder")}</button>` : ""}
              <a class="button" href="/">${t("video.back")}</a></div></section>`
          : ""}
        <div class="row">
          ${this.score ? html`<a class="button primary" href="/scores/${this.score}">${t("video.open-score")}</a>` : ""}
          ${this.#open() ? html`<button @click=${() => this.cancel()}>${t("video.cancel")}</button>` : ""}
        </div>
      </main>`,
      this.root,
    );
  }

  step(job) {
    return html`<li class="step ${job.status}" data-step=${job.job_type} data-status=${job.status}>
      <h2>${t(`step.${job.job_type}`)}</h2>
      <p>${(job.status === "failed" && BESIDE.includes(job.job_type) ? job.error_message : job.message) ?? t(`job.${job.status}`)}</p>
      ${job.status === "running" ? html`<progress max="1" value=${job.progress} aria-label=${t(`step.${job.job_type}`)}></progress>` : ""}
    </li>`;
  }
}
