// The score with its recording: read, play along, correct, take away. The same page for one's own scores,
// shared ones, the demo, and inside other pages.

import { html, nothing, render } from "../vendor/lit-html.js";
import { Again } from "../core/again.js";
import { get, Problem } from "../core/api.js";
import { isKnown } from "../core/session.js";
import { read, write } from "../core/store.js";
import { duration, moment, t, wordsFor } from "../core/texts.js";
import { editPanel } from "../panels/edit.js";
import { Hands, handsPanel } from "../panels/hands.js";
import { Info, infoPanel } from "../panels/info.js";
import { mixPanel } from "../panels/mix.js";
import { History, practisePanel } from "../panels/practise.js";
import { sharePanel, Sharing } from "../panels/share.js";
import { Teacher, teacherPanel } from "../panels/teacher.js";
import { Editor } from "../score/editor.js";
import { Player, RATES, SilentMedia } from "../score/player.js";
import { Practice } from "../score/practice.js";
import { Saves } from "../score/saves.js";
import { Sheet } from "../score/sheet.js";
import { DemoScore, OwnScore, SharedScore, steppedWidth } from "../score/source.js";
import { Strip } from "../score/strip.js";
import { Wave } from "../score/wave.js";
import { open } from "../ui/dialog.js";
import { icon } from "../ui/icons.js";
import * as theme from "../ui/theme.js";
import { complain, hush, say } from "../ui/toast.js";
import { topBar } from "./frame.js";

const MM_PER_PX = 25.4 / 96;
const ZOOMS = [0.6, 0.7, 0.8, 0.9, 1, 1.15, 1.3, 1.5, 1.8, 2.2];
const ZOOM_PLACE = "backbeat.zoom";
const RESIZED_MS = 250;
/** With the ladder each turn of the loop is this much faster, up to full speed. */
const LADDER_STEP = 0.05;
const NEAR_S = 0.02;
/** How often one looks for the score with the hands in it after they were told. */
const HANDS_WAITS_MS = [500, 1000, 2000, 4000, 8000, 15000, 30000];

const PANELS = {
  edit: [icon("pencil"), editPanel],
  mix: [icon("mixer"), mixPanel],
  practise: [icon("target"), practisePanel],
  share: [icon("share"), sharePanel],
  info: [icon("chart"), infoPanel],
  teacher: [icon("teacher"), teacherPanel],
  hands: [icon("hands"), handsPanel],
};

const element = (name, className, attributes = {}) => {
  const made = document.createElement(name);
  made.className = className;
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
};

class ScorePage {
  constructor(root, source, { framed = false } = {}) {
    this.root = root;
    this.source = source;
    this.framed = framed;
    this.view = null;
    this.counts = new Map();
    this.highlight = null;
    this.follow = true;
    /** The version with the hands that one was told of and does not see yet. */
    this.offered = null;
    this.ladder = false;
    this.hasMedia = false;
    this.panel = source.readOnly ? "mix" : "edit";
    this.panelOpen = innerWidth > 900 && !framed;
    this.zoom = Number(read(ZOOM_PLACE)) || (innerWidth < 600 ? 0.8 : 1);
    this.host = element("div", "sheet", { role: "region", tabindex: "0", "aria-label": t("score.region"), "aria-describedby": "score-keys" });
    this.screen = element("div", "screen");
    this.waveHost = element("div", "");
    this.clock = element("output", "clock", { "aria-label": t("player.time") });
    this.player = new Player();
    this.sheet = new Sheet(this.host, { follows: () => this.follow, plays: () => this.player.playing });
    this.wave = new Wave(this.waveHost, this.player);
    this.stripHost = element("div", "");
    this.strip = new Strip(this.stripHost, this.player, (stroke) => this.#placeOfStroke(stroke));
    this.strip.addEventListener("stroke", ({ detail }) => this.#toStroke(detail));
    this.hands = new Hands(this);
    this.player.lag_s = (time_s) => this.hands.lagAt(time_s);
    this.sharing = new Sharing(this);
    this.info = new Info(this);
    this.teacher = new Teacher(this);
    this.history = new History(this);
    this.opening = new Again(() => this.#open().catch(complain));
    this.mediaAgain = new Again(() => this.#attachMedia());
    this.onKey = (event) => this.#key(event);
    this.onTheme = () => {
      this.wave.repaint();
      this.strip.repaint();
    };
    this.player.addEventListener("frame", () => this.#frame());
    this.player.addEventListener("change", () => {
      this.#shadeLoop();
      this.draw();
    });
    this.player.addEventListener("looped", () => this.#looped());
  }

  async start() {
    addEventListener("keydown", this.onKey);
    theme.changed.addEventListener("change", this.onTheme);
    this.draw();
    await this.#open();
  }

  async #open() {
    try {
      await this.load();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (this.stopped) return;
      this.problem = problem;
      if (problem.passing) this.opening.later(problem.retryAfterS);
      this.draw();
      return;
    }
    // Asked twice: the other answer is the one that is shown.
    if (this.stopped || !this.view || this.resizing) return;
    this.opening.done();
    this.problem = null;
    this.draw();
    this.#watchSize();
    this.source
      .waveform(this.player.duration)
      .then((waveform) => waveform && !this.stopped && this.wave.setPeaks(waveform.peaks, waveform.duration_seconds))
      .catch(() => say(t("wave.missing"), { name: "wave" }));
    await this.#attachMedia();
  }

  stop() {
    this.stopped = true;
    removeEventListener("keydown", this.onKey);
    theme.changed.removeEventListener("change", this.onTheme);
    this.opening.stop();
    this.mediaAgain.stop();
    this.resizing?.disconnect();
    clearTimeout(this.resized);
    this.practice?.close();
    this.saves?.close();
    this.player.close();
    this.wave.close();
    this.strip.close();
    this.hands.close();
    hush("saves");
    hush("media");
    hush("hands");
    if (this.blob) URL.revokeObjectURL(this.blob);
  }

  // Loading

  #wantedWidth() {
    // Behind a problem there is no paper to measure.
    this.paperWidth = this.host.clientWidth || this.paperWidth || 0;
    return steppedWidth((this.paperWidth * MM_PER_PX) / this.zoom);
  }

  async load() {
    const width = this.#wantedWidth();
    this.asked = (this.asked ?? 0) + 1;
    const turn = this.asked;
    const view = await this.source.view(width);
    // Of two answers on their way, the one that was asked for last counts.
    if (this.stopped || turn !== this.asked) return;
    this.width = width;
    this.#take(view);
    // What is seen is what a change is made on.
    if (this.saves && !this.saves.unsaved) this.saves.version = view.version;
    if (!this.editor) this.#begin();
    else this.editor.redrawn();
    this.draw();
  }

  #take(view) {
    // Where one reads is kept over another drawing.
    const bar = this.#barInSight();
    this.view = view;
    this.sheet.show(view);
    this.player.read(this.sheet.timeline);
    this.counts = new Map();
    for (const note of view.notes) this.counts.set(note.piece, (this.counts.get(note.piece) ?? 0) + 1);
    this.unsureCount = view.notes.filter((note) => note.unsure && !note.grace).length;
    this.wave.setHits([
      ...this.sheet.timeline.heard.map((note) => ({ time_s: note.time_s, piece: note.piece, velocity: note.velocity, sure: !note.unsure })),
      ...(view.unwritten ?? []).map((hit) => ({ time_s: hit.onset_s, piece: hit.piece, velocity: hit.velocity, sure: false })),
    ]);
    this.showHands();
    // A correction of one's own has brought them along.
    if (this.offered !== null && this.offered <= view.version) {
      this.offered = null;
      hush("hands");
    }
    document.title = t("score.window", { title: view.title || t("score.untitled") });
    this.#dim();
    if (bar !== null) this.#showBar(bar);
    this.#frame();
    this.root.dataset.version = String(view.version);
  }

  #barInSight() {
    if (!this.view || this.host.scrollTop < 40) return null;
    const top = this.host.getBoundingClientRect().top;
    const line = this.sheet.systems.find((each) => each.getBoundingClientRect().bottom > top + 20);
    return line ? this.view.systems[Number(line.dataset.system)].bars[0] : null;
  }

  #showBar(bar) {
    const index = this.view.systems.findIndex((system) => system.bars.includes(bar));
    if (index > 0) this.sheet.systems[index].scrollIntoView({ block: "start" });
  }

  #begin() {
    const { source, view } = this;
    this.#drumsAlone();
    this.saves = source.readOnly ? null : new Saves(source.id, view.version);
    this.editor = new Editor({ sheet: this.sheet, player: this.player, saves: this.saves, readOnly: source.readOnly });
    this.editor.addEventListener("change", () => this.draw());
    if (this.saves) {
      this.saves.addEventListener("change", () => this.#saveState());
      this.saves.addEventListener("saved", () => this.#saved());
      this.saves.addEventListener("conflict", (event) => this.#conflict(event.detail));
      this.saves.addEventListener("refused", (event) => this.#refused(event.detail));
      this.practice = new Practice(source.id, this.player);
      // What an earlier visit could not save any more.
      const found = this.saves.unsaved;
      const recovered = () => {
        if (this.saves.unsaved) return;
        this.saves.removeEventListener("saved", recovered);
        say(t("save.recovered", { n: found }), { name: "recovered" });
      };
      if (found) this.saves.addEventListener("saved", recovered);
      this.saves.run();
    }
  }

  async #attachMedia() {
    let found;
    try {
      found = await this.source.media();
    } catch (problem) {
      if (problem.passing) this.#mediaLost(problem);
      else this.#noMedia(wordsFor(problem));
      return;
    }
    if (!found || this.stopped) return;
    if (found.video) this.hands.begin(found.video);
    this.#play(found);
  }

  #play(found) {
    const media = element(found.kind === "video" ? "video" : "audio", "", { preload: "auto", playsinline: "", "aria-label": t("player.recording") });
    media.disableRemotePlayback = true;
    media.src = found.url;
    media.addEventListener("loadedmetadata", () => this.wave.resize(), { once: true });
    media.addEventListener("click", () => this.player.toggle());
    media.addEventListener("error", () => this.#mediaFailed(media, found));
    media.addEventListener("canplay", () => found.url.startsWith("blob:") || hush("media"));
    for (const kind of ["canplay", "playing"]) media.addEventListener(kind, () => (this.mediaRefused = false));
    media.addEventListener("playing", () => this.mediaAgain.done());
    // What broke off while it played goes on playing.
    const goesOn = this.hasMedia && this.player.playing && !this.player.counting;
    this.mediaKind = found.kind;
    this.screen.replaceChildren(media);
    if (!this.hasMedia) this.player.mix = "recording";
    this.hasMedia = true;
    this.player.attach(media);
    // One that cannot be played says so itself.
    if (goesOn) media.play().catch(() => {});
    this.draw();
  }

  /** The connection broke off, the ticket has ended, or the browser cannot play the file: then its sound alone. */
  async #mediaFailed(media, found) {
    const over = () => this.stopped || this.player.media !== media;
    if (over()) return;
    const own = found.url.startsWith("blob:");
    if (!own && media.error?.code === MediaError.MEDIA_ERR_NETWORK) {
      this.#mediaLost();
      return;
    }
    try {
      // The browser calls a file that it could not fetch unsupported, too.
      const { status } = own ? { status: 200 } : await fetch(found.url, { headers: { Range: "bytes=0-0" } });
      if (over()) return;
      if (status === 429 || status >= 500) {
        this.#mediaLost();
        return;
      }
      if (status >= 400) {
        const again = this.mediaRefused;
        this.mediaRefused = true;
        if (again) this.#noMedia(t("player.gone"));
        else await this.#attachMedia();
        return;
      }
      const sound = own ? null : await this.source.sound();
      if (over()) return;
      if (sound) {
        this.blob = sound.url;
        say(t("player.sound-only"), { name: "media" });
        this.#play(sound);
        return;
      }
    } catch (problem) {
      if (over()) return;
      if (problem instanceof TypeError || problem.passing) {
        this.#mediaLost(problem);
        return;
      }
      complain(problem);
    }
    this.#noMedia(t("player.cannot"));
  }

  /** Say so, and go on with a new ticket when it can be had. */
  #mediaLost(problem) {
    if (this.stopped) return;
    say(t("player.lost"), { name: "media", kind: "warning", sticky: true, actions: [{ label: t("ui.again"), run: this.mediaAgain.now }] });
    this.mediaAgain.later(problem?.retryAfterS);
  }

  #noMedia(words) {
    if (this.stopped) return;
    hush("media");
    this.mediaAgain.done();
    this.hasMedia = false;
    this.screen.replaceChildren(element("p", "hint"));
    this.screen.firstChild.textContent = words;
    say(words, { name: "media", kind: "error" });
    this.#drumsAlone();
    this.draw();
  }

  /** Without a recording a clock runs that is as long. */
  #drumsAlone() {
    this.player.mix = "drums";
    this.player.attach(new SilentMedia(Math.max(this.view.duration_s ?? 0, this.sheet.timeline.ends_s)));
  }

  #watchSize() {
    this.resizing = new ResizeObserver(() => {
      this.sheet.resized();
      this.#frame();
      clearTimeout(this.resized);
      this.resized = setTimeout(() => this.#wantedWidth() !== this.width && this.load().catch(complain), RESIZED_MS);
    });
    this.resizing.observe(this.host);
  }

  // Saving

  #saveState() {
    const { state, problem } = this.saves;
    if (state === "offline") {
      const signedOut = problem?.status === 401;
      say(t(signedOut ? "save.signed-out" : "save.offline"), {
        name: "saves",
        kind: "warning",
        sticky: true,
        actions: [{ label: t("save.now"), run: () => this.saves.retry() }],
      });
    } else if (state === "saved") hush("saves");
    this.draw();
  }

  async #saved() {
    // Several corrections in a row: one drawing at their end.
    if (this.saves.unsaved) return;
    this.info.forget();
    try {
      await this.load();
    } catch (problem) {
      complain(problem, { name: "drawing" });
    }
  }

  async #conflict(problem) {
    this.draw();
    const said = problem.body;
    const ask = () =>
      open(
        t("conflict.title"),
        (close) => html`<p>${t("conflict.about")}</p>
        ${said.change ? html`<p class="hint">${t("conflict.theirs", { change: said.change })}</p>` : ""}
        <footer><button @click=${() => close("theirs")}>${t("conflict.theirs-only")}</button>
          <button class="primary" @click=${() => close("both")}>${t("conflict.both")}</button></footer>`,
      );
    const choice = this.#isOnlyHands(said) ? "both" : await ask();
    if (this.stopped) return;
    try {
      if (choice) {
        await this.load();
        this.saves.resolve(this.view.version, { keep: choice === "both" });
        return;
      }
    } catch (error) {
      complain(error, { name: "drawing" });
    }
    // Neither: nothing is sent and nothing is lost until one has chosen.
    say(t("conflict.open"), { name: "saves", kind: "warning", sticky: true, actions: [{ label: t("conflict.choose"), run: () => this.#conflict(problem) }] });
  }

  /** The hands were added to the very version that one has changed: nothing to ask about. Undoing was meant for
   * one's own change. */
  #isOnlyHands(said) {
    const { waiting } = this.saves;
    return said.author === "vision" && said.current_version === waiting[0]?.base + 1 && !waiting.some((save) => ["undo", "redo"].includes(save.kind));
  }

  async #refused({ problem, save }) {
    const empty = { "nothing-to-undo": "edit.nothing-to-undo", "nothing-to-redo": "edit.nothing-to-redo" }[problem.code];
    if (empty) say(t(empty), { name: "refused" });
    else say(t("save.refused", { why: problem.message }), { kind: "error", name: "refused" });
    // What is still on its way draws the score when it is there.
    if (save.kind === "edit" && !this.saves.unsaved) await this.load().catch(complain);
    this.sheet.mark("pending", []);
  }

  // Playing

  #frame() {
    const time_s = this.player.time;
    this.sheet.follow(time_s);
    const bar = this.sheet.timeline?.runs ? this.view.bars[this.sheet.timeline.barAt(time_s)]?.bar : null;
    const text = `${moment(time_s)} / ${duration(this.player.duration)}${bar == null ? "" : ` · ${t("player.bar", { n: bar })}`}`;
    if (this.clock.textContent !== text) this.clock.textContent = text;
  }

  // Hands

  /** The strip, from what was seen and what stands in the score. */
  showHands() {
    const { hands, sheet } = this;
    if (!hands.sight || !sheet.timeline) return this.strip.show([], [], "");
    this.strip.show(hands.strokes(sheet.timeline.byId), hands.unseen(), t("hands.strip", { words: hands.words }));
  }

  get hasSeenHands() {
    return this.view.notes.some((note) => note.sticking_source === "vision");
  }

  /** "Bar 3, beat 2" */
  placeOf(note) {
    return this.editor.placeOf(note);
  }

  #placeOfStroke({ id, time_s }) {
    const { timeline } = this.sheet;
    const note = timeline.byId.get(id);
    if (note) return this.placeOf(note);
    return timeline.runs ? t("hands.in-bar", { bar: timeline.bars[timeline.barAt(time_s)].bar }) : "";
  }

  #toStroke({ id, time_s }) {
    this.player.show(time_s);
    if (this.sheet.timeline.byId.has(id)) this.editor.mark(id);
  }

  goToNote(id) {
    const note = this.sheet.timeline.byId.get(id);
    if (note.time_s != null) this.player.show(note.time_s);
    this.editor.mark(id);
  }

  showSticking(shown) {
    this.view.sticking_shown = shown;
    this.editor.operate({ op: "set-sticking-shown", shown });
    this.draw();
  }

  /** Hands were told: the score that has them comes an instant later. */
  async handsCame() {
    this.handsTurn = (this.handsTurn ?? 0) + 1;
    const turn = this.handsTurn;
    for (const wait_ms of HANDS_WAITS_MS) {
      await new Promise((resolve) => setTimeout(resolve, wait_ms));
      if (this.stopped || turn !== this.handsTurn) return;
      // What cannot be asked now is asked at the next turn.
      const versions = await get(`/notation/${this.source.id}/versions`).catch(() => []);
      if (this.stopped || turn !== this.handsTurn) return;
      const newest = versions.find((each) => each.author === "vision" && each.version > this.view.version);
      if (newest) {
        await this.#offerHands(newest.version);
        return;
      }
    }
  }

  /** Somebody who corrects is not to see the page change under the pen. */
  async #offerHands(version) {
    const { editor, saves } = this;
    const show = async () => {
      try {
        this.info.forget();
        await this.load();
        say(t("hands.added"), { name: "hands" });
      } catch (problem) {
        complain(problem, { name: "drawing" });
      }
    };
    if (!editor.editing && !saves.unsaved && saves.state === "saved") await show();
    else {
      this.offered = version;
      say(t("hands.added"), { name: "hands", sticky: true, actions: [{ label: t("hands.show"), run: show }] });
    }
  }

  #shadeLoop() {
    const { loop } = this.player;
    if (loop?.from === this.shaded?.from && loop?.to === this.shaded?.to && this.shadedOn === this.view) return;
    this.shaded = loop;
    this.shadedOn = this.view;
    this.sheet.showLoop(loop);
  }

  #looped() {
    if (this.ladder && this.player.rate < 1) this.player.setRate(Math.min(1, Math.round((this.player.rate + LADDER_STEP) * 100) / 100));
  }

  setLadder(on) {
    this.ladder = on;
    this.draw();
  }

  mute(piece) {
    const { muted } = this.player;
    if (!muted.delete(piece)) muted.add(piece);
    this.wave.muted = muted;
    this.wave.draw();
    this.#dim();
    this.draw();
  }

  setHighlight(piece) {
    this.highlight = piece;
    this.wave.highlight = piece;
    this.wave.draw();
    this.#dim();
    this.draw();
  }

  #dim() {
    const quiet = this.view.notes.filter((note) => this.player.muted.has(note.piece) || (this.highlight && note.piece !== this.highlight)).map((note) => note.id);
    this.sheet.mark("dim", quiet);
    this.sheet.mark("lit", this.highlight ? this.view.notes.filter((note) => note.piece === this.highlight).map((note) => note.id) : []);
  }

  setZoom(step) {
    const nearest = ZOOMS.reduce((best, zoom, index) => (Math.abs(zoom - this.zoom) < Math.abs(ZOOMS[best] - this.zoom) ? index : best), 0);
    this.zoom = ZOOMS[Math.min(ZOOMS.length - 1, Math.max(0, nearest + step))];
    write(ZOOM_PLACE, String(this.zoom));
    this.draw();
    this.load().catch(complain);
  }

  stepRate(way) {
    const index = RATES.indexOf(this.player.rate);
    this.player.setRate(RATES[Math.min(RATES.length - 1, Math.max(0, (index < 0 ? RATES.indexOf(1) : index) + way))]);
  }

  toggleLoop() {
    if (this.player.loop) this.player.setLoop(null);
    else this.player.setLoop(...this.editor.bars());
  }

  #key(event) {
    const target = event.target instanceof Element ? event.target : document.body;
    if (!this.editor || document.querySelector("dialog[open]") || target.closest("input:not([type=checkbox]), select, textarea")) return;
    const onButton = target.closest("button, summary, a, label, input");
    // There they scroll.
    if (["ArrowUp", "ArrowDown"].includes(event.key) && target.closest(".panel")) return;
    if (this.#ownKey(event, onButton) || (!(onButton && ["Enter", " "].includes(event.key)) && this.editor.key(event))) event.preventDefault();
  }

  #ownKey({ key, ctrlKey, metaKey, altKey }, onButton) {
    if (ctrlKey || metaKey || altKey) return false;
    const { player } = this;
    if (key === " " && !onButton) player.toggle();
    else if (key === "Home") player.seek(player.loop?.start_s ?? 0);
    else if (key === "l") this.toggleLoop();
    else if (key === "m") this.#toggle("metronome");
    else if (key === "i") this.#toggle("countIn");
    else if (key === "[") this.stepRate(-1);
    else if (key === "]") this.stepRate(1);
    else if (key === "+" || key === "=") this.setZoom(1);
    else if (key === "-") this.setZoom(-1);
    else if (key === "," || key === ".") this.#stepBar(key === "." ? 1 : -1);
    else if (key === "e" && !this.source.readOnly) this.editor.setEditing(!this.editor.editing);
    else if (key === "?") this.help();
    else return false;
    return true;
  }

  #toggle(name) {
    this.player.band.wake();
    this.player[name] = !this.player[name];
    this.player.changed();
  }

  #stepBar(way) {
    const { timeline } = this.sheet;
    if (!timeline?.runs) return;
    const now = timeline.barAt(this.player.time + NEAR_S);
    const bar = timeline.bars[Math.min(timeline.bars.length - 1, Math.max(0, now + way))];
    this.player.seek(Math.max(0, bar.start_s));
  }

  help() {
    const rows = ["space", "arrows", "bars", "home", "loop", "metronome", "count", "speed", "zoom", "unsure", "edit", "pieces", "add", "marks", "move", "louder", "delete", "confirm", "undo"];
    open(
      t("keys.title"),
      () => html`<dl class="keys">${rows.map((row) => html`<div><dt>${t(`keys.${row}`)
        .split(" ")
        .map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${t(`keys.${row}-about`)}</dd></div>`)}</dl>`,
      { wide: true },
    );
  }

  async rename() {
    const given = await open(
      t("score.rename"),
      (close) => html`<form @submit=${(event) => {
        event.preventDefault();
        close(new FormData(event.target).get("title").trim());
      }}><label>${t("score.title")}<input name="title" maxlength="200" required .value=${this.view.title}></label>
        <footer><button class="primary">${t("ui.apply")}</button></footer></form>`,
    );
    if (given) this.saves.request("rename", { title: given });
  }

  // Drawing


  draw() {
    if (this.stopped) return;
    if (this.drawing) return;
    this.drawing = true;
    // Several changes at once are one drawing.
    queueMicrotask(() => {
      this.drawing = false;
      if (!this.stopped) this.#draw();
    });
    if (!this.drawn) {
      this.drawn = true;
      this.#draw();
    }
  }

  #draw() {
    const { view } = this;
    render(
      html`${this.framed ? "" : topBar({ middle: this.#head(), right: this.#actions() })}
        <main class="studio ${this.framed ? "framed" : ""} ${this.panelOpen && !this.problem ? "with-panel" : ""} ${this.problem ? "nothing" : ""}" id="main">
          <h1 class="visually-hidden">${this.problem && !view ? t("app.name") : view?.title || t("score.untitled")}</h1>
          <section class="stage" aria-label=${t("player.recording")}>
            <div class="screen-box ${this.mediaKind ?? ""}" ?hidden=${!this.hasMedia}>${this.screen}
              ${this.player.counting ? html`<output class="counting">${this.player.counting}</output>` : ""}</div>
            <div class="tracks">${this.stripHost}${this.waveHost}</div>
          </section>
          <section class="paper" aria-label=${t("score.region")}>
            ${this.problem ? this.#trouble() : ""}
            ${!view && !this.problem ? html`<p class="loading" role="status">${t("score.loading")}</p>` : ""}
            ${view && !this.sheet.timeline.runs ? html`<p class="hint">${t("score.no-beats")}</p>` : ""}
            ${this.host}
            <p id="score-keys" class="visually-hidden">${t("score.keys")}</p>
            <p class="visually-hidden" aria-live="polite" data-testid="spoken">${this.editor?.selected.size ? this.editor.describe() : ""}</p>
          </section>
          ${this.panelOpen && view ? this.#panel() : ""}
          ${this.#transport()}
        </main>`,
      this.root,
    );
  }

  #trouble() {
    const { problem } = this;
    const back = t(this.source.readOnly ? "app.front-page" : "video.back");
    return html`<div class="trouble" role="alert"><p>${wordsFor(problem)}</p>
      <div class="row">${problem.passing ? html`<button class="primary" @click=${this.opening.now}>${t("ui.again")}</button>` : ""}
        ${this.framed ? html`<a class="button" href="/" target="_blank" rel="noopener">${back}</a>` : html`<a class="button" href="/">${back}</a>`}</div></div>`;
  }

  #head() {
    const { view, source } = this;
    if (!view) return "";
    return html`<span class="title" title=${view.title}>${view.title || t("score.untitled")}</span>
      ${source.readOnly
        ? ""
        : html`<button class="icon" aria-label=${t("score.rename")} @click=${() => this.rename()}>${icon("pencil")}</button>
            <span class="save-state ${this.saves?.state}" role="status" data-testid="save-state">${t(`save.state-${this.saves?.state ?? "saved"}`)}</span>`}`;
  }

  #actions() {
    const { source, saves } = this;
    if (!this.view) return "";
    if (source.readOnly) return isKnown() ? "" : html`<a class="button primary" href="/register">${t("demo.register")}</a>`;
    return html`<button class="icon" aria-label=${t("edit.undo")} title=${t("edit.undo")} @click=${() => saves.request("undo")}>${icon("undo")}</button>
      <button class="icon" aria-label=${t("edit.redo")} title=${t("edit.redo")} @click=${() => saves.request("redo")}>${icon("redo")}</button>
      <button class="icon wide-only" aria-label=${t("keys.title")} title=${t("keys.title")} @click=${() => this.help()}>${icon("question")}</button>`;
  }

  #panel() {
    const { source } = this;
    const names = Object.keys(PANELS).filter((name) => !source.readOnly || ["mix", "practise", "share", "info"].includes(name));
    const choose = (name) => {
      this.panel = name;
      if (name === "practise") this.history.load({ again: true });
      this.draw();
    };
    const keys = (event) => {
      const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!way) return;
      event.preventDefault();
      event.stopPropagation();
      const name = names[(names.indexOf(this.panel) + way + names.length) % names.length];
      choose(name);
      queueMicrotask(() => this.root.querySelector(`.tabs #tab-${name}`)?.focus());
    };
    return html`<aside class="panel" aria-label=${t("panel.title")}>
      <div class="tabs"><div role="tablist" aria-label=${t("panel.title")} @keydown=${keys}>
        ${names.map(
          (name) => html`<button role="tab" id="tab-${name}" aria-selected=${this.panel === name} aria-controls="panel-body" tabindex=${this.panel === name ? 0 : -1} title=${t(`panel.${name}`)} @click=${() => choose(name)}>${PANELS[name][0]}<span>${t(`panel.${name}`)}</span></button>`,
        )}</div>
        <button class="icon close-panel" aria-label=${t("panel.close")} @click=${() => this.showPanel(null)}>×</button>
      </div>
      <div class="body" id="panel-body" role="tabpanel" aria-labelledby="tab-${this.panel}" tabindex="0">${PANELS[this.panel][1](this)}</div>
    </aside>`;
  }

  showPanel(name) {
    this.panelOpen = name !== null;
    if (name) this.panel = name;
    this.draw();
  }

  #transport() {
    const { player } = this;
    const ready = Boolean(this.view);
    const press = (name, label, pressed, run, more = "") =>
      html`<button class="icon ${more}" aria-label=${label} title=${label} aria-pressed=${pressed ?? nothing} ?disabled=${!ready} @click=${run}>${icon(name)}</button>`;
    return html`<footer class="transport" role="toolbar" aria-label=${t("player.title")}>
      ${press("start", t("player.to-start"), null, () => player.seek(player.loop?.start_s ?? 0))}
      <button class="play" data-testid="play" aria-label=${player.playing ? t("player.pause") : t("player.play")} ?disabled=${!ready} @click=${() => player.toggle()}>${icon(player.playing ? "pause" : "play")}</button>
      ${this.clock}
      <div class="rate"><button class="icon" aria-label=${t("player.slower")} @click=${() => this.stepRate(-1)}>${icon("minus")}</button>
        <label><span class="visually-hidden">${t("player.speed")}</span><select data-testid="rate" @change=${(event) => player.setRate(Number(event.target.value))}>
          ${RATES.map((rate) => html`<option value=${rate} ?selected=${rate === player.rate} .selected=${rate === player.rate}>${Math.round(rate * 100)} %</option>`)}</select></label>
        <button class="icon" aria-label=${t("player.faster")} @click=${() => this.stepRate(1)}>${icon("plus")}</button></div>
      ${press("loop", player.loop ? t("player.loop-on", { from: player.loop.from, to: player.loop.to }) : t("player.loop"), player.loop !== null, () => this.toggleLoop())}
      ${player.loop ? html`<small class="loop-bars">${player.loop.from}–${player.loop.to}</small>` : ""}
      ${press("click", t("player.metronome"), player.metronome, () => this.#toggle("metronome"))}
      ${press("count", t("player.count-in"), player.countIn, () => this.#toggle("countIn"))}
      ${press("target", t("player.follow"), this.follow, () => ((this.follow = !this.follow), this.draw()))}
      <span class="gap"></span>
      ${press("minus", t("score.smaller"), null, () => this.setZoom(-1))}<small class="zoom">${Math.round(this.zoom * 100)} %</small>${press("plus", t("score.larger"), null, () => this.setZoom(1))}
      ${this.framed ? html`<a class="button small tools" href=${location.pathname.replace("/embed/", "/s/")} target="_blank" rel="noopener">${t("demo.open")}</a>` : press("mixer", t("panel.title"), this.panelOpen, () => this.showPanel(this.panelOpen ? null : this.panel), "tools")}
    </footer>`;
  }
}

export const ownScoreView = (root, { params }) => new ScorePage(root, new OwnScore(params.id));
export const demoView = (root) => new ScorePage(root, new DemoScore());
export const sharedView = (root, { params }) => new ScorePage(root, new SharedScore(params.token));
export const embedView = (root, { params }) => new ScorePage(root, new SharedScore(params.token), { framed: true });
