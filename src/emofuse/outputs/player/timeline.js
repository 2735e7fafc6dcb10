/** The lanes with their names, an overview to zoom by, a legend that filters, and a slider over all that sets the time. */
import { clock, lanesOf, percent } from "./document.js";
import { drawLane, drawOverview, laneHeight, lookOf } from "./lanes.js";
import { make, swatch } from "./parts.js";
import { sliderPart } from "./slider.js";
import { ticksOf, TimeWindow } from "./window.js";

const MAX_PEOPLE_LANES = 6;
const OVERVIEW_PX = 14; // its height
const TICK_PX = 80; // that one needs
const EDGE = 0.04; // of the width, where a tick's text stands beside it
const ZOOM = 2; // by a button
const HELP = "Band: the label. Curve: its probability, from 0 to 100 %.";
const KEYS_HELP =
  " Click to go there. Keys: arrows, Page Up and Down, Home, End; Space plays; + and − zoom, Shift with an arrow moves," +
  " 0 shows all. Ctrl and the wheel zoom, Shift and the wheel move; drag on the overview to choose a stretch.";
const TOUCH_HELP = " Tap to go there; two fingers zoom and move.";

/**
 * @param {object} doc
 * @param {number} length  seconds of the recording
 * @param {{seek: (seconds: number) => void, toggle: () => void, time: () => number}} playback
 * @param {(isShown: (run: object) => boolean) => void} onFilter  is told which runs the filter leaves in
 * @returns {{element: HTMLElement, draw: () => void, show: (seconds: number, moment: object|null) => void}}
 */
export function timelinePart(doc, length, playback, onFilter = () => {}) {
  const { lanes: shown, nHidden } = lanesOf(doc, MAX_PEOPLE_LANES);
  const canvases = new Map(shown.map((lane) => [lane, canvasFor(lane)]));
  const rows = shown.map((lane) => laneRow(lane.name, `ef-${lane.kind}`, canvases.get(lane)));
  const view = new TimeWindow(length);
  const labels = new Set(shown.flatMap((lane) => lane.runs.map((run) => run.label)));
  const filter = filterPart(doc.labels.filter((label) => labels.has(label)), doc.labels, () => {
    onFilter(filter.isShown);
    draw();
  });
  const scale = make("p", { class: "ef-scale", "aria-hidden": "true" });
  const overview = overviewPart(view, shown[0], doc.labels, () => redraw());
  const redraw = () => {
    draw();
    slider.place();
  };
  const slider = sliderPart(view, playback, { redraw, describe: (time) => inShort(shown, time) });
  const more = nHidden > 0 ? [make("p", { class: "ef-hint" }, `and ${nHidden} more people, seen more briefly`)] : [];
  const element = make(
    "section",
    { class: "ef-timeline", "aria-label": "Timeline" },
    overview.element,
    make("div", { class: "ef-plot" }, make("ol", { class: "ef-lanes" }, ...rows, ...absentRows(doc)), slider.element),
    scale,
    filter.element,
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
    const isFaint = (run) => !filter.isShown(run);
    for (const [lane, canvas] of canvases) {
      drawLane(canvas, lane, { from: view.from, to: view.to, labels: doc.labels, isFaint }, look);
    }
    overview.draw(look);
    drawTicks(scale, view);
  };
  const show = (seconds, moment) => {
    if (view.follow(seconds)) draw();
    const words = moment?.label ? `${moment.label} ${percent(moment.probabilities[moment.label])}` : "nothing read";
    slider.show(seconds, words);
  };
  return { element, draw, show };
}

/** What each lane says at a time, in a few words a line. */
function inShort(lanes, time) {
  const at = (lane) => lane.steps.find((step) => time > step.from && time <= step.to) ?? null;
  const words = lanes.map((lane) => [lane.name, at(lane)]).filter(([, step]) => step);
  return [clock(time, 1), ...words.map(([name, step]) => `${name}: ${step.label} ${percent(step.confidence)}`)];
}

/** Write round times under the lanes. */
function drawTicks(scale, view) {
  const most = Math.max(2, Math.floor(scale.clientWidth / TICK_PX));
  const { times, decimals } = ticksOf(view.from, view.to, most);
  const marks = times.map((time) => {
    const share = view.share(time);
    const mark = make("span", { class: share < EDGE ? "ef-first" : share > 1 - EDGE ? "ef-last" : "" }, clock(time, decimals));
    mark.style.left = `${100 * share}%`;
    return mark;
  });
  scale.replaceChildren(...marks);
}

/**
 * The labels that occur, which can be left out, and how sure a stretch must be.
 * @returns {{element: HTMLElement, isShown: (run: object) => boolean}}
 */
function filterPart(present, labels, onChange) {
  const hidden = new Set();
  let least = 0;
  const entries = present.map((label) => {
    const button = make("button", { type: "button", "aria-pressed": "true" }, swatch(labels, label), label);
    button.addEventListener("click", () => {
      if (!hidden.delete(label)) hidden.add(label);
      button.setAttribute("aria-pressed", String(!hidden.has(label)));
      onChange();
    });
    return make("li", {}, button);
  });
  const range = make("input", { type: "range", min: "0", max: "95", step: "5", value: "0" });
  const number = make("output", {}, "all");
  range.addEventListener("input", () => {
    least = Number(range.value) / 100;
    number.textContent = least ? `${percent(least)} and more` : "all";
    onChange();
  });
  const element = make(
    "div",
    { class: "ef-filter", role: "group", "aria-label": "Filter" },
    make("ul", { class: "ef-legend", "aria-label": "Labels" }, ...entries),
    make("label", { class: "ef-least" }, "How sure: ", range, " ", number),
  );
  return { element, isShown: (run) => !hidden.has(run.label) && run.confidence >= least };
}

/** The whole recording in one thin band, with the stretch that the lanes show; a drag over it chooses another. */
function overviewPart(view, lane, labels, redraw) {
  const canvas = make("canvas", { "aria-hidden": "true" });
  canvas.style.height = `${OVERVIEW_PX}px`;
  const frame = make("div", { class: "ef-window" });
  const band = make("div", { class: "ef-brush" }, canvas, frame);
  const button = (name, text, act) => {
    const made = make("button", { type: "button", "aria-label": name, title: name }, text);
    made.addEventListener("click", () => {
      act();
      redraw();
    });
    return made;
  };
  const buttons = make(
    "div",
    { class: "ef-zoom" },
    button("Zoom out", "−", () => view.zoom(ZOOM)),
    button("Zoom in", "+", () => view.zoom(1 / ZOOM)),
    button("Show the whole recording", "all", () => view.set(0, view.length)),
  );
  let anchor = null;
  const timeOf = (event) => {
    const place = band.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - place.left) / place.width, 0), 1) * view.length;
  };
  band.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    band.setPointerCapture(event.pointerId);
    anchor = timeOf(event);
  });
  band.addEventListener("pointermove", (event) => {
    if (anchor === null || Math.abs(timeOf(event) - anchor) < view.length / 200) return;
    view.set(anchor, timeOf(event));
    redraw();
  });
  band.addEventListener("pointerup", (event) => {
    const here = timeOf(event);
    if (anchor !== null && Math.abs(here - anchor) < view.length / 200) {
      view.pan(here - (view.from + view.to) / 2);
      redraw();
    }
    anchor = null;
  });
  const draw = (look) => {
    drawOverview(canvas, lane, { length: view.length, labels }, OVERVIEW_PX, look);
    frame.hidden = view.isWhole;
    frame.style.left = `${(100 * view.from) / view.length}%`;
    frame.style.width = `${(100 * view.span) / view.length}%`;
  };
  return { element: make("div", { class: "ef-overview" }, buttons, band), draw };
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
