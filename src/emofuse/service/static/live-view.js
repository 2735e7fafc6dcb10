/** What is drawn of a live session: boxes, bars, the lanes of the last seconds, and how it is doing. */
import { drawFaces } from "./player/boxes.js";
import { laneOf } from "./player/document.js";
import { drawLane, laneHeight, lookOf } from "./player/lanes.js";
import { make, nowPart } from "./player/parts.js";
import { laneRow } from "./player/timeline.js";

const SPAN_S = 30; // of the lanes
const RECENT_S = 5; // that the numbers are of
const REDRAW_S = 0.15; // of everything but the boxes, which follow every moment
const CALM_REDRAW_S = 1; // where the person wants less motion
const SHOWN_LINES = 2; // of what is spoken, the latest
const READ_OUT_S = 2; // labels are read out no faster

export class LiveView {
  #past = []; // moments of the last SPAN_S
  #delays = []; // {at, delay} of the last RECENT_S
  #lines = [];
  #drawn = -Infinity;
  #readOut = -Infinity;

  /** @param {(id: string) => HTMLElement} $ */
  constructor($) {
    this.$ = $;
    $("pause").disabled = true;
    $("live-now").replaceChildren();
    $("live-lanes").replaceChildren();
    $("live-label").textContent = $("live-words").textContent = "";
    for (const id of ["live-delay", "live-rate", "live-dropped", "live-changes"]) $(id).textContent = "–";
    drawFaces($("boxes"), $("eye"), { source: {}, moments: [] }, 0); // none
  }

  /** Say in words what the session is at; nothing while it runs. */
  state(words) {
    this.$("live-state").textContent = words;
  }

  /** The devices that a person has chosen: ids, "" for any, "none" for none. */
  chosen() {
    return { camera: this.$("camera-choice").value, microphone: this.$("microphone-choice").value };
  }

  /** Whether speech is to be recognised. */
  wantsWords() {
    return this.$("words").checked;
  }

  /** Show what was spoken. */
  words(line) {
    this.#lines = [...this.#lines, line].slice(-SHOWN_LINES);
    this.$("live-words").hidden = false;
    this.$("live-words").textContent = this.#lines.join(" ");
  }

  /** Offer the devices that there are, those of a stream chosen. */
  offer(found, stream) {
    for (const [id, kind, track] of [
      ["camera-choice", "videoinput", stream.getVideoTracks()[0]],
      ["microphone-choice", "audioinput", stream.getAudioTracks()[0]],
    ]) {
      const own = found.filter((device) => device.kind === kind && device.deviceId);
      const options = own.map(({ deviceId, label }, i) => make("option", { value: deviceId }, label || `${i + 1}`));
      this.$(id).replaceChildren(...options, make("option", { value: "none" }, "none"));
      this.$(id).value = track?.getSettings().deviceId ?? "none";
    }
  }

  /** Show the camera's picture, or no place for it where there is a microphone alone. */
  film(isThere) {
    this.$("film").hidden = !isThere;
  }

  /** Show what the service will answer with. */
  begin({ labels, modalities }) {
    this.labels = labels;
    this.now = nowPart({ labels });
    this.$("live-now").replaceChildren(this.now.element);
    this.lanes = ["fused", ...modalities].map((name) => {
      const kind = name === "fused" ? "fused" : "modality";
      const canvas = make("canvas", { "aria-hidden": "true" });
      canvas.style.height = `${laneHeight({ kind })}px`;
      const row = laneRow(name, `ef-${kind}`, canvas);
      row.hidden = kind === "modality"; // until it speaks
      const pick = kind === "fused" ? (moment) => moment.probabilities : (moment) => moment.by_modality[name];
      return { name, kind, canvas, row, pick };
    });
    this.$("live-lanes").replaceChildren(...this.lanes.map(({ row }) => row));
    this.$("pause").disabled = false;
    this.state("");
  }

  /**
   * Show a moment.
   * @param {{moment: object, stats: object}} told  by the service
   * @param {{now: number, skipped: number, width: number, height: number}} here  now: seconds, on the clock of the
   *   moments; skipped: pictures that this page did not send; width and height: of those that it sends
   */
  show({ moment, stats }, { now, skipped, width, height }) {
    const doc = { source: { width, height }, moments: [{ ...moment, time_s: 0 }] };
    const canvas = this.$("boxes");
    canvas.dataset.faces = drawFaces(canvas, this.$("eye"), doc, 0, this.$("mirror").checked);
    this.#past.push(moment);
    this.#delays.push({ at: now, delay: now - moment.time_s });
    while (this.#past[0].time_s < now - SPAN_S) this.#past.shift();
    while (this.#delays[0].at < now - RECENT_S) this.#delays.shift();
    const pause = matchMedia("(prefers-reduced-motion: reduce)").matches ? CALM_REDRAW_S : REDRAW_S;
    if (now - this.#drawn < pause) return;
    this.#drawn = now;
    this.now.show(moment, now);
    this.#readOutLabel(moment, now);
    this.#drawLanes(now);
    this.#showNumbers(stats, now, skipped);
  }

  #readOutLabel(moment, now) {
    const words = moment.label ?? "nothing read";
    if (this.$("live-label").textContent === words || now - this.#readOut < READ_OUT_S) return;
    this.$("live-label").textContent = words;
    this.#readOut = now;
  }

  #drawLanes(now) {
    const begin = now - SPAN_S;
    const doc = { source: { duration_s: null }, moments: this.#past.map((m) => ({ ...m, time_s: m.time_s - begin })) };
    const look = lookOf(this.$("live"));
    for (const { name, kind, canvas, row, pick } of this.lanes) {
      const lane = laneOf(doc, name, kind, pick);
      if (lane.runs.length) row.hidden = false;
      if (!row.hidden) drawLane(canvas, lane, { from: 0, to: SPAN_S, labels: this.labels }, look);
    }
  }

  #showNumbers(stats, now, skipped) {
    const delays = this.#delays.map(({ delay }) => 1000 * delay).sort((a, b) => a - b);
    const quantile = (share) => Math.round(delays[Math.floor(share * (delays.length - 1))]);
    const texts = {
      "live-delay": `${quantile(0.5)} ms (95 %: ${quantile(0.95)} ms)`,
      "live-rate": (delays.length / Math.min(RECENT_S, Math.max(now, 1))).toFixed(0),
      "live-dropped": `${stats.dropped + skipped} of ${stats.frames + skipped}`,
      "live-changes": stats.steady_changes_per_minute.toFixed(0),
    };
    for (const [id, text] of Object.entries(texts)) this.$(id).textContent = text;
  }
}
