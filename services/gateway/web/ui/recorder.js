// Recording with the camera of the phone beside the kit.

import { html } from "../vendor/lit-html.js";
import { duration, t } from "../core/texts.js";
import { open } from "./dialog.js";

const KINDS = ["video/mp4;codecs=avc1.42E01E,mp4a.40.2", "video/webm;codecs=vp9,opus", "video/webm;codecs=vp8,opus", "video/webm"];
const COUNT_DOWN_S = 4;
/** Loud drums need what telephony takes away. */
const SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder);

/** Record in a dialog; the file, or undefined. */
export async function record() {
  let stream;
  let problem = "";
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 }, frameRate: { ideal: 30 } }, audio: SOUND });
  } catch (error) {
    problem = error.name === "NotAllowedError" ? t("record.not-allowed") : t("record.no-camera");
  }
  const mime = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
  const pieces = [];
  let recorder = null;
  let since = 0;
  let timer;
  let counting = 0;
  const screen = document.createElement("video");
  screen.muted = true;
  screen.playsInline = true;
  if (stream) screen.srcObject = stream;
  const file = await open(
    t("record.title"),
    (close, redraw) => {
      const begin = () => {
        counting = COUNT_DOWN_S;
        timer = setInterval(() => {
          counting -= 1;
          if (counting === 0) start();
          redraw();
        }, 1000);
        redraw();
      };
      const start = () => {
        recorder = new MediaRecorder(stream, { mimeType: mime, videoBitsPerSecond: 2_500_000, audioBitsPerSecond: 160_000 });
        recorder.addEventListener("dataavailable", (event) => event.data.size && pieces.push(event.data));
        recorder.addEventListener("stop", () => {
          const type = mime.split(";")[0];
          const name = t("record.name", { date: new Date().toISOString().slice(0, 16).replace("T", " ").replace(":", ".") });
          close(new File(pieces, `${name}.${type.endsWith("mp4") ? "mp4" : "webm"}`, { type }));
        });
        recorder.start(1000);
        since = performance.now();
      };
      if (problem) return html`<p class="error">${problem}</p><footer><button @click=${() => close()}>${t("ui.close")}</button></footer>`;
      screen.play().catch(() => {});
      return html`<div class="recorder">${screen}
        ${counting ? html`<output class="counting">${counting}</output>` : ""}</div>
        <footer>
          ${recorder
            ? html`<span class="live">${t("record.running", { time: duration((performance.now() - since) / 1000) })}</span>
                <button class="danger" @click=${() => (clearInterval(timer), recorder.stop())}>${t("record.stop")}</button>`
            : html`<button class="primary" ?disabled=${counting > 0} @click=${begin}>${t("record.start")}</button>`}
        </footer>`;
    },
    { wide: true },
  );
  clearInterval(timer);
  if (recorder?.state === "recording") recorder.stop();
  stream?.getTracks().forEach((track) => track.stop());
  return file;
}
