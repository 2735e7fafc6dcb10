/** The parts of the player that are words and bars: the answer, what is said now, segments, modalities, people. */
import { best, clock, colourOf, percent } from "./document.js";
import { disagreementOf, momentsOfInterest } from "./interest.js";
import { patternOf } from "./lanes.js";

const MAX_SEGMENTS = 500; // buttons in the list; more are slow, and nobody reads them

/**
 * Make an element. Text is never read as HTML: names of files and labels may hold anything.
 * @param {string} tag
 * @param {Object<string, string>} attributes
 * @param {...(Node|string)} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A patch of a label's colour and pattern, which stands beside its name. */
export function swatch(labels, label) {
  const patch = make("span", { class: `ef-swatch ef-pattern-${patternOf(labels, label)}`, "aria-hidden": "true" });
  patch.style.backgroundColor = colourOf(label);
  return patch;
}

/** The answer for the whole recording. */
export function summaryPart(doc) {
  const { label, probabilities, used, headline } = doc.summary;
  if (!label) return make("p", { class: "ef-answer" }, make("strong", {}, "No emotion could be read"));
  const length = doc.source.duration_s === null ? "" : ` (${clock(doc.source.duration_s, 1)})`;
  return make(
    "p",
    { class: "ef-answer" },
    swatch(doc.labels, headline?.label ?? label),
    make("strong", {}, headline?.text ?? `${label}: ${percent(probabilities[label])} mean over the recording`),
    `${length}. ${headline?.agreement ?? `From ${used.join(" + ")}.`}`,
  );
}

/**
 * What is said at the time of playback: a bar for every label. A live moment also has a `why`, for what said nothing.
 * @returns {{element: HTMLElement, show: (moment: object|null, time: number) => void}}
 */
export function nowPart(doc) {
  const time = make("span", { class: "ef-time" });
  const answer = make("strong", { class: "ef-now-label" });
  const bars = new Map();
  const list = make("ul", { class: "ef-bars" });
  for (const label of doc.labels) {
    const bar = make("span", { class: `ef-bar ef-pattern-${patternOf(doc.labels, label)}` });
    bar.style.backgroundColor = colourOf(label);
    const number = make("span", { class: "ef-number" });
    const item = make("li", {}, make("span", { class: "ef-name" }, label), make("span", { class: "ef-rail" }, bar), number);
    bars.set(label, { bar, number, item });
    list.append(item);
  }
  const voices = make("p", { class: "ef-voices" });
  const added = make("div", { class: "ef-added", hidden: "" });
  const doubt = make("p", { class: "ef-doubt", hidden: "" });
  const element = make(
    "section",
    { class: "ef-now", "aria-label": "At this time" },
    make("p", { class: "ef-now-head" }, time, " ", answer),
    list,
    added,
    doubt,
    voices,
  );
  const show = (moment, seconds) => {
    const said = best(moment?.probabilities);
    time.textContent = `at ${clock(seconds, 1)}`;
    answer.textContent = said ? `${said.label} ${percent(said.p)}` : "nothing read";
    for (const [label, { bar, number, item }] of bars) {
      const p = moment?.probabilities?.[label] ?? 0;
      bar.style.width = `${100 * p}%`;
      number.textContent = moment?.probabilities ? percent(p) : "";
      item.classList.toggle("ef-winner", said?.label === label);
    }
    const heard = Object.keys({ ...moment?.by_modality, ...moment?.why }).map((modality) => {
      const voice = best(moment.by_modality[modality]);
      const words = voice ? `${voice.label} ${percent(voice.p)}` : (moment.why?.[modality] ?? "–");
      return make("span", {}, `${modality}: ${words}`);
    });
    voices.replaceChildren(...heard);
    showAdded(added, moment);
    const conflict = moment && disagreementOf(moment);
    doubt.hidden = !conflict;
    if (conflict) doubt.textContent = `The modalities disagree: ${conflict.words}.`;
  };
  return { element, show };
}

/** What each modality added to the winner: its weight in the fused answer times what it gave that label. */
function showAdded(bar, moment) {
  const parts = addedTo(moment);
  bar.hidden = parts.length < 2;
  if (bar.hidden) return;
  const words = parts.map(({ modality, share }) => `${modality} ${percent(share)}`).join(", ");
  const rail = make("div", { class: "ef-shares", role: "img", "aria-label": `Added to ${moment.label}: ${words}` });
  parts.forEach(({ modality, share }) => {
    const part = make("span", { class: `ef-of-${modality}` }, share > 0.18 ? modality : "");
    part.style.width = `${100 * share}%`;
    rail.append(part);
  });
  bar.replaceChildren(make("p", { class: "ef-hint" }, `What made it ${moment.label}: ${words}`), rail);
}

/** What each modality has in the label of a moment, of 1; none where the document does not tell. */
export function addedTo(moment) {
  if (!moment?.label || !moment.evidence) return [];
  const parts = Object.entries(moment.evidence).map(([modality, { weight }]) => ({
    modality,
    share: (weight ?? 0) * (moment.by_modality[modality]?.[moment.label] ?? 0),
  }));
  const whole = parts.reduce((sum, { share }) => sum + share, 0);
  return whole > 0 ? parts.map(({ modality, share }) => ({ modality, share: share / whole })) : [];
}

/** What is worth a look, as a list of one section of buttons that seek; empty where there is nothing. */
export function interestPart(doc, seek) {
  const found = momentsOfInterest(doc);
  if (!found.length) return [];
  const list = make("ol", { class: "ef-interest" });
  for (const { time, kind, words, label } of found) {
    const button = make(
      "button",
      { type: "button" },
      swatch(doc.labels, label),
      make("span", { class: "ef-time" }, clock(time, 1)),
      " ",
      make("strong", {}, words),
      kind === "disagreement" ? " (the modalities disagree)" : "",
    );
    button.addEventListener("click", () => seek(time));
    list.append(make("li", {}, button));
  }
  return [make("section", { "aria-label": "Moments of interest" }, make("h2", {}, "Moments of interest"), list)];
}

/**
 * The segments as a list of buttons that seek.
 * @returns {{element: HTMLElement, show: (time: number) => void, filter: (isShown: (run: object) => boolean) => void}}
 */
export function segmentsPart(doc, seek) {
  const list = make("ol", { class: "ef-segments" });
  const items = doc.segments.slice(0, MAX_SEGMENTS).map((segment) => {
    const times = `${clock(segment.start_s, 1)} – ${clock(segment.end_s, 1)}`;
    const button = make(
      "button",
      { type: "button" },
      swatch(doc.labels, segment.label),
      make("span", { class: "ef-time" }, times),
      " ",
      make("strong", {}, segment.label),
      ` ${percent(segment.confidence)}`,
    );
    button.addEventListener("click", () => seek(segment.start_s));
    list.append(make("li", {}, button));
    return { segment, button };
  });
  const hidden = doc.segments.length - items.length;
  const rest = hidden > 0 ? [make("p", {}, `and ${hidden} more; all of them are in the JSON`)] : [];
  const nothing = items.length ? [] : [make("p", {}, "There are none.")];
  const element = make("section", { "aria-label": "Segments" }, make("h2", {}, "Segments (mean over each)"), ...nothing, list, ...rest);
  let current = null;
  const show = (time) => {
    const found = items.find(({ segment }) => time >= segment.start_s && time < segment.end_s)?.button ?? null;
    if (found === current) return;
    current?.removeAttribute("aria-current");
    found?.setAttribute("aria-current", "true");
    current = found;
  };
  const filter = (isShown) => {
    for (const { segment, button } of items) button.parentElement.hidden = !isShown(segment);
  };
  return { element, show, filter };
}

/** Which modalities were used, what each said, and why the others were not. */
export function modalitiesPart(doc) {
  const list = make("dl", { class: "ef-facts" });
  for (const [modality, scores] of Object.entries(doc.summary.by_modality)) {
    const said = best(scores);
    const words = said
      ? [swatch(doc.labels, said.label), `${said.label} ${percent(said.p)}`]
      : [`not used: ${doc.summary.why[modality] ?? "it gave no answer"}`];
    list.append(make("dt", {}, modality), make("dd", {}, ...words));
  }
  return make("section", { "aria-label": "What it was read from" }, make("h2", {}, "Read from (mean over the recording)"), list);
}
