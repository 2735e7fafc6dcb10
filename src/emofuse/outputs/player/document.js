/**
 * Reading an `emofuse/2` document: what is said when, by whom. Nothing here touches the page.
 *
 * @typedef {Object<string, number>} Probabilities  label to probability; null where nothing was read
 * @typedef {{from: number, to: number, label: string, confidence: number}} Stretch  seconds
 * @typedef {{name: string, kind: string, runs: Stretch[], steps: Stretch[]}} Lane  runs: one label each; steps: one moment each
 */

/** As in emofuse/emotions.py, which a test compares: Okabe and Ito's palette. Labels without a colour are grey. */
const COLOURS = {
  neutral: "#999999",
  happy: "#E69F00",
  sad: "#0072B2",
  angry: "#D55E00",
  fearful: "#CC79A7",
  disgust: "#009E73",
  surprised: "#56B4E9",
};
const GREY = "#999999";
const MIN_STRETCH_S = 0.4;

/** The colour of a label. */
export function colourOf(label) {
  return Object.hasOwn(COLOURS, label) ? COLOURS[label] : GREY;
}

/** Black or white, whichever reads better on a colour (luma of ITU-R BT.601). */
export function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 110 ? "#181818" : "#ffffff";
}

/** Seconds as m:ss or h:mm:ss, with this many decimals. */
export function clock(seconds, decimals = 0) {
  const unit = 10 ** decimals;
  const whole = Math.round(Math.max(seconds, 0) * unit);
  const rest = ((whole % (60 * unit)) / unit).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
  const minutes = Math.floor(whole / (60 * unit));
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** A probability as "66 %". */
export function percent(p) {
  return `${Math.round(p * 100)} %`;
}

/** The most probable label and its probability, or null. */
export function best(probabilities) {
  if (!probabilities) return null;
  let found = null;
  for (const [label, p] of Object.entries(probabilities)) {
    if (!found || p > found.p) found = { label, p };
  }
  return found;
}

/** Seconds from the start to the end of everything that the document speaks of. */
export function lengthOf(doc) {
  const last = doc.moments.at(-1)?.time_s ?? 0;
  return Math.max(doc.source.duration_s ?? 0, last, doc.segments.at(-1)?.end_s ?? 0, 0.001);
}

/** The median distance of the moments, in seconds. */
export function usualHop(moments) {
  const steps = [];
  for (let i = 1; i < moments.length; i++) {
    const step = moments[i].time_s - moments[i - 1].time_s;
    if (step > 0) steps.push(step);
  }
  steps.sort((a, b) => a - b);
  if (!steps.length) return MIN_STRETCH_S;
  const middle = steps.length >> 1;
  return steps.length % 2 ? steps[middle] : (steps[middle - 1] + steps[middle]) / 2;
}

/** Since when a moment stands: the one before it, or a hop ago at the beginning and after a gap (docs/json.md). */
function standsFrom(time, before, hop) {
  return time - before > Math.max(3 * hop, 1) + 1e-6 ? Math.max(0, time - hop) : before;
}

/**
 * What one voice said over time.
 * @param {object} doc
 * @param {string} name
 * @param {string} kind
 * @param {(moment: object) => (Probabilities|null)} pick  what the voice said at a moment
 * @returns {Lane}
 */
export function laneOf(doc, name, kind, pick) {
  const hop = usualHop(doc.moments);
  const steps = [];
  let before = -Infinity;
  for (const moment of doc.moments) {
    const said = best(pick(moment));
    if (!said) continue;
    const from = standsFrom(moment.time_s, before, hop);
    const to = moment.time_s > from ? moment.time_s : from + hop;
    steps.push({ from, to, label: said.label, confidence: said.p });
    before = moment.time_s;
  }
  const last = steps.at(-1);
  const end = doc.source.duration_s;
  if (last && end !== null && last.to < end && end <= last.to + 1.5 * hop) last.to = end;
  return { name, kind, steps, runs: joined(steps) };
}

/** Join steps that touch and have one label; the confidence of a run is the mean of its steps. */
function joined(steps) {
  const runs = [];
  for (const step of steps) {
    const run = runs.at(-1);
    if (run && run.label === step.label && step.from <= run.to + 1e-6) {
      run.to = step.to;
      run.sum += step.confidence;
      run.n += 1;
    } else {
      runs.push({ from: step.from, to: step.to, label: step.label, sum: step.confidence, n: 1 });
    }
  }
  return runs.map(({ from, to, label, sum, n }) => ({ from, to, label, confidence: sum / n }));
}

/**
 * The fused lane, whose runs are the document's segments, then a lane per modality that spoke, then one per person
 * for as many as maxPeople, those first who were seen longest.
 * @returns {{lanes: Lane[], nHidden: number}} nHidden: people without a lane
 */
export function lanesOf(doc, maxPeople) {
  const fused = laneOf(doc, "fused", "fused", (moment) => moment.probabilities);
  fused.runs = doc.segments.map((s) => ({ from: s.start_s, to: s.end_s, label: s.label, confidence: s.confidence }));
  const modalities = doc.summary.used.map((m) => laneOf(doc, m, "modality", (moment) => moment.by_modality[m]));
  const people = peopleOf(doc);
  const followed = people.slice(0, maxPeople).map(({ id, name }) =>
    laneOf(doc, name, "person", (moment) => moment.faces.find((face) => whoIs(doc, face) === id)?.probabilities ?? null),
  );
  const lanes = [fused, ...modalities, ...followed, ...measuredLanes(doc)];
  return { lanes, nHidden: people.length - followed.length };
}

/** What the curves of measured faces show, in [0, 1], from the numbers of a face by name; brows at rest are in the middle. */
const MEASURED = {
  smile: (of) => (of("mouthSmileLeft") + of("mouthSmileRight")) / 2,
  brows: (of) => {
    const up = (of("browInnerUp") + of("browOuterUpLeft") + of("browOuterUpRight")) / 3;
    return (1 + up - (of("browDownLeft") + of("browDownRight")) / 2) / 2;
  },
  "eyes closed": (of) => (of("eyeBlinkLeft") + of("eyeBlinkRight")) / 2,
};
const LONGEST_GAP_S = 0.5; // between pictures of a face: over it, a curve is broken

/** The curves of the face that was measured most often, where faces were measured: steps without a label. */
function measuredLanes(doc) {
  const faces = doc.face_measurements?.faces ?? [];
  const counts = new Map();
  for (const face of faces) counts.set(face.track_id, (counts.get(face.track_id) ?? 0) + 1);
  const [id] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [null];
  const own = faces.filter((face) => face.track_id === id);
  if (!own.length) return [];
  const at = new Map(doc.face_measurements.blendshapes.map((name, i) => [name, i]));
  const person = counts.size > 1 ? `, person ${id}` : "";
  return Object.entries(MEASURED).map(([name, measure]) => {
    const steps = own.map((face, i) => {
      const next = own[i + 1]?.time_s ?? Infinity;
      const to = next - face.time_s > LONGEST_GAP_S ? face.time_s : next;
      return { from: face.time_s, to, label: null, confidence: measure((shape) => face.blendshapes[at.get(shape)]) };
    });
    return { name: `${name}${person}`, kind: "measured", steps, runs: [] };
  });
}

function faceOf(moment, id) {
  return moment.faces.find((face) => face.track_id === id);
}

/** Who a face is: a person's id, or the track's where the document does not know who is who; null for nobody known. */
export function whoIs(doc, face) {
  return doc.people?.length ? face.person_id : face.track_id;
}

/** What to call somebody. */
export function nameOf(doc, id) {
  return doc.people?.find((person) => person.id === id)?.name ?? `person ${id}`;
}

/** Who says a line: a person's name, the transcript's, "person 2", or "" where nobody knows. */
export function speakerOf(doc, line) {
  const person = doc.people?.find((one) => one.id === line.person_id);
  return person?.name ?? line.speaker ?? (person ? nameOf(doc, person.id) : "");
}

/** The label that lasts longest from one time to another, by the segments; null where nothing was read then. */
export function labelBetween(doc, from, to) {
  const lasts = new Map();
  for (const { start_s, end_s, label } of doc.segments) {
    const common = Math.min(end_s, Math.max(to, from + 1e-3)) - Math.max(start_s, from);
    if (common > 0) lasts.set(label, (lasts.get(label) ?? 0) + common);
  }
  let found = null;
  for (const [label, seconds] of lasts) if (found === null || seconds > lasts.get(found)) found = label;
  return found;
}

/**
 * Everybody whose face was read, longest seen first.
 * @returns {{id: number, name: string, from: number, to: number, seen: number, mean: Probabilities}[]} seconds; mean over moments
 */
export function peopleOf(doc) {
  const people = new Map();
  const hop = usualHop(doc.moments);
  for (const moment of doc.moments) {
    for (const face of moment.faces) {
      const id = whoIs(doc, face);
      if (id === null || !face.probabilities) continue;
      if (!people.has(id)) {
        const from = Math.max(0, moment.time_s - hop);
        people.set(id, { id, name: nameOf(doc, id), from, to: moment.time_s, n: 0, sum: {} });
      }
      const person = people.get(id);
      person.to = moment.time_s;
      person.n += 1;
      for (const [label, p] of Object.entries(face.probabilities)) person.sum[label] = (person.sum[label] ?? 0) + p;
    }
  }
  return [...people.values()]
    .map(({ id, name, from, to, n, sum }) => {
      const mean = Object.fromEntries(Object.entries(sum).map(([label, p]) => [label, p / n]));
      return { id, name, from, to, seen: n * hop, mean };
    })
    .sort((a, b) => b.seen - a.seen || a.id - b.id);
}

/** Where in the moments the first one at or after a time is; their number where there is none. */
function firstFrom(moments, time) {
  let [low, high] = [0, moments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moments[middle].time_s < time - 1e-6) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The moment that stands for a time, or null: a moment answers for the time since the one before it. */
export function momentAt(moments, time) {
  if (!moments.length) return null;
  const hop = usualHopOf(moments);
  const at = firstFrom(moments, time);
  if (at === moments.length) return time - moments[at - 1].time_s <= 1.5 * hop ? moments[at - 1] : null;
  const before = at > 0 ? moments[at - 1].time_s : -Infinity;
  return time >= standsFrom(moments[at].time_s, before, hop) - 1e-6 ? moments[at] : null;
}

/**
 * The faces to draw at a time: their places move evenly from one moment to the next, what is said of them is that of
 * the moment which stands for the time.
 */
export function facesAt(moments, time) {
  const moment = momentAt(moments, time);
  if (!moment) return [];
  const at = Math.min(firstFrom(moments, time), moments.length - 1);
  const earlier = at > 0 ? moments[at - 1] : null;
  const span = earlier ? moment.time_s - earlier.time_s : 0;
  if (!(span > 0) || time >= moment.time_s) return moment.faces;
  const share = Math.max(0, (time - earlier.time_s) / span);
  return moment.faces.map((face) => {
    const was = face.track_id === null ? undefined : faceOf(earlier, face.track_id);
    if (!was) return face;
    return { ...face, box_xyxy: face.box_xyxy.map((v, i) => was.box_xyxy[i] + share * (v - was.box_xyxy[i])) };
  });
}

const hops = new WeakMap();

/** `usualHop`, which is asked for at every picture, counted once per list of moments. */
function usualHopOf(moments) {
  if (!hops.has(moments)) hops.set(moments, usualHop(moments));
  return hops.get(moments);
}
