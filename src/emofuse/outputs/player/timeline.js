/** The lanes with their names, a legend, and a slider over them that shows and sets the time. */
import { clock, lanesOf, percent } from "./document.js";
import { drawLane, laneHeight, lookOf } from "./lanes.js";
import { make, swatch } from "./parts.js";

const MAX_PEOPLE_LANES = 6;
const STEP_S = 1; // by an arrow key
const PAGE_SHARE = 0.1; // of the length, by Page Up and Page Down
const HELP = "Band: the label. Curve: its probability, from 0 to 100 %.";
const KEYS_HELP = " Click to go there; with the keyboard: arrows, Page Up and Down, Home, End, and Space to play.";
const TOUCH_HELP = " Tap to go there.";

/**
 * @param {object} doc
 * @param {number} length  seconds that the full width stands for
 * @param {{seek: (seconds: number) => void, toggle: () => void, time: () => number}} playback
 * @returns {{element: HTMLElement, draw: () => void, show: (seconds: number, moment: object|null) => void}}
 */
export function timelinePart(doc, length, playback) {
  const { lanes: shown, nHidden } = lanesOf(doc, MAX_PEOPLE_LANES);
  const canvases = new Map(shown.map((lane) => [lane, canvasFor(lane)]));
  const rows = shown.map((lane) => laneRow(lane.name, `ef-${lane.kind}`, canvases.get(lane)));
  const slider = sliderPart(length, playback);
  const labels = new Set(shown.flatMap((lane) => lane.runs.map((run) => run.label)));
  const entries = doc.labels.filter((l) => labels.has(l)).map((l) => make("li", {}, swatch(doc.labels, l), l));
  const times = [clock(0, 1), clock(length / 2, 1), clock(length, 1)].map((text) => make("span", {}, text));
  const more = nHidden > 0 ? [make("p", { class: "ef-hint" }, `and ${nHidden} more people, seen more briefly`)] : [];
  const element = make(
    "section",
    { class: "ef-timeline", "aria-label": "Timeline" },
    make("div", { class: "ef-plot" }, make("ol", { class: "ef-lanes" }, ...rows, ...absentRows(doc)), slider.element),
    make("p", { class: "ef-scale", "aria-hidden": "true" }, ...times),
    make("ul", { class: "ef-legend", "aria-label": "Labels" }, ...entries),
    ...more,
    make(
      "p",
      { class: "ef-hint" },
      HELP,
      make("span", { class: "ef-by-mouse" }, KEYS_HELP),
      make("span", { class: "ef-by-touch" }, TOUCH_HELP),
    ),
  );
  const draw = () => {
    const look = lookOf(element);
    for (const [lane, canvas] of canvases) drawLane(canvas, lane, { length, labels: doc.labels }, look);
  };
  return { element, draw, show: slider.show };
}

function canvasFor(lane) {
  const canvas = make("canvas", { role: "img", "aria-label": inWords(lane) });
  canvas.style.height = `${laneHeight(lane)}px`;
  return canvas;
}

/** A lane with its name before it. */
export function laneRow(name, kind, content) {
  return make("li", { class: `ef-lane ${kind}` }, make("span", { class: "ef-name" }, name), content);
}

/** A row for each modality that said nothing, with the reason. */
function absentRows(doc) {
  const absent = Object.keys(doc.summary.by_modality).filter((modality) => !doc.summary.by_modality[modality]);
  return absent.map((modality) => {
    const why = `not used: ${doc.summary.why[modality] ?? "it gave no answer"}`;
    return laneRow(modality, "ef-absent", make("span", { class: "ef-why" }, why));
  });
}

/** The line at the time of playback, over all lanes; a slider for the pointer, the keyboard and screen readers. */
function sliderPart(length, { seek, toggle, time }) {
  const line = make("div", { class: "ef-line" });
  const element = make(
    "div",
    {
      class: "ef-slider",
      role: "slider",
      tabindex: "0",
      "aria-label": "Position in the recording",
      "aria-valuemin": "0",
      "aria-valuemax": length.toFixed(1),
    },
    line,
  );
  const seekTo = (event) => {
    const place = element.getBoundingClientRect();
    seek(((event.clientX - place.left) / place.width) * length);
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    seekTo(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) seekTo(event);
  });
  const keys = {
    ArrowRight: () => seek(time() + STEP_S),
    ArrowUp: () => seek(time() + STEP_S),
    ArrowLeft: () => seek(time() - STEP_S),
    ArrowDown: () => seek(time() - STEP_S),
    PageUp: () => seek(time() + PAGE_SHARE * length),
    PageDown: () => seek(time() - PAGE_SHARE * length),
    Home: () => seek(0),
    End: () => seek(length),
    " ": toggle,
  };
  element.addEventListener("keydown", (event) => {
    if (!Object.hasOwn(keys, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  const show = (seconds, moment) => {
    line.style.left = `${(100 * seconds) / length}%`;
    const words = moment?.label ? `${moment.label} ${percent(moment.probabilities[moment.label])}` : "nothing read";
    element.setAttribute("aria-valuenow", seconds.toFixed(1));
    element.setAttribute("aria-valuetext", `${clock(seconds, 1)} of ${clock(length, 1)}, ${words}`);
  };
  return { element, show };
}

/** A lane for those who cannot see it: its first runs in words. */
function inWords(lane) {
  if (lane.kind === "measured") {
    const highest = lane.steps.reduce((most, step) => (step.confidence > most.confidence ? step : most));
    return `${lane.name}: highest ${percent(highest.confidence)} at ${clock(highest.from, 1)}`;
  }
  const runs = lane.runs.slice(0, 8).map((run) => `${run.label} ${clock(run.from, 1)} to ${clock(run.to, 1)}`);
  const rest = lane.runs.length > 8 ? `, and ${lane.runs.length - 8} more` : "";
  return `${lane.name}: ${runs.join(", ") || "nothing read"}${rest}`;
}
