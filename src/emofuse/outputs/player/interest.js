/** The moments of a recording that are worth a look. Nothing here touches the page. */
import { best } from "./document.js";

const MOST = 6;
const APART_S = 2; // that two of one kind are
const SURE = 0.5; // what a modality must be to disagree
const CHANGE_OVER_S = 1;

/**
 * The strongest moments, the sharpest changes and the clearest disagreements of modalities, in the order of time.
 * @param {object} doc
 * @returns {{time: number, kind: string, words: string, label: string}[]}
 */
export function momentsOfInterest(doc) {
  const read = doc.moments.filter((moment) => moment.probabilities);
  const found = [...strongest(read), ...changes(read), ...disagreements(read)];
  return found.sort((a, b) => a.time - b.time);
}

/** The surest moment of each label but neutral, the surest labels first. */
function strongest(moments) {
  const tops = new Map();
  for (const moment of moments) {
    const { label, p } = best(moment.probabilities);
    if (label !== "neutral" && !(tops.get(label)?.weight >= p)) {
      tops.set(label, { time: moment.time_s, weight: p, kind: "strongest", label, words: `most ${label}` });
    }
  }
  return heaviest([...tops.values()]);
}

/** Where the answer differs most from that of a second before. */
function changes(moments) {
  const found = [];
  let before = 0;
  for (const moment of moments) {
    while (before + 1 < moments.length && moments[before + 1].time_s <= moment.time_s - CHANGE_OVER_S) before += 1;
    const earlier = moments[before];
    if (moment.time_s - earlier.time_s < CHANGE_OVER_S - 1e-6 || moment.time_s - earlier.time_s > 3 * CHANGE_OVER_S) continue;
    const [was, is] = [best(earlier.probabilities).label, best(moment.probabilities).label];
    if (was === is) continue;
    const weight = distance(earlier.probabilities, moment.probabilities);
    found.push({ time: moment.time_s, weight, kind: "change", label: is, words: `from ${was} to ${is}` });
  }
  return heaviest(found);
}

/** Where two modalities are sure of different labels. */
function disagreements(moments) {
  return heaviest(moments.map(disagreementOf).filter(Boolean));
}

/** What two modalities are sure of, where these are different labels; else null. */
export function disagreementOf(moment) {
  const heard = Object.entries(moment.by_modality).map(([modality, scores]) => ({ modality, ...best(scores) }));
  const sure = heard.filter(({ p }) => p >= SURE).sort((a, b) => b.p - a.p);
  const other = sure.find(({ label }) => label !== sure[0].label);
  if (!other) return null;
  const words = `${sure[0].modality} ${sure[0].label}, ${other.modality} ${other.label}`;
  return { time: moment.time_s, weight: sure[0].p + other.p, kind: "disagreement", label: sure[0].label, words };
}

/** Half the sum of the differences: 0 for the same, 1 for nothing in common. */
function distance(one, other) {
  let sum = 0;
  for (const label of Object.keys(one)) sum += Math.abs(one[label] - (other[label] ?? 0));
  return sum / 2;
}

/** The heaviest few, no two of them near each other. */
function heaviest(candidates) {
  const kept = [];
  for (const one of candidates.sort((a, b) => b.weight - a.weight || a.time - b.time)) {
    if (kept.length === MOST) break;
    if (kept.every((other) => Math.abs(other.time - one.time) >= APART_S)) kept.push(one);
  }
  return kept;
}
