/** Drawing lanes on canvases: a band of labels above a curve of confidence, in colours and patterns. */
import { colourOf, inkOn } from "./document.js";

/** Heights in CSS pixels, by the kind of lane. */
const SIZES = {
  fused: { band: 26, curve: 30 },
  modality: { band: 20, curve: 24 },
  person: { band: 20, curve: 24 },
  measured: { band: 0, curve: 24 }, // a curve alone
};
const N_PATTERNS = 7;
const FINEST_PX = 2; // of a curve
const FEW = 2000; // stretches that are drawn as they are
const FIRST_COARSE_S = 0.2;
const COARSER = 4; // times as coarse as the level before

/** Which of the patterns, also known to the style sheet as `ef-pattern-0` to 6, a label has. */
export function patternOf(labels, label) {
  return Math.max(0, labels.indexOf(label)) % N_PATTERNS;
}

/** How high a lane is, in CSS pixels. */
export function laneHeight(lane) {
  const { band, curve } = SIZES[lane.kind];
  return band + 4 + curve;
}

/** The colours that the style sheet gives what is drawn in an element of the player. */
export function lookOf(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(["page", "ink", "track"].map((name) => [name, style.getPropertyValue(`--ef-${name}`).trim()]));
}

/**
 * Draw a lane over the whole width of its canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {import("./document.js").Lane} lane
 * @param {{from: number, to: number, labels: string[], isFaint?: (run: object) => boolean}} scale  from, to: seconds that
 *   the width stands for; isFaint: what a filter leaves out
 * @param {{page: string, ink: string, track: string}} look  colours of the page
 */
export function drawLane(canvas, lane, { from, to, labels, isFaint = () => false }, look) {
  const { band, curve } = SIZES[lane.kind];
  const { pen, width } = cleared(canvas, laneHeight(lane));
  const x = (time) => ((time - from) / (to - from)) * width;
  const least = (to - from) / width;
  pen.fillStyle = look.track;
  pen.fillRect(0, 0, width, band);
  for (const run of inView(lane.runs, from, to, least)) drawRun(pen, run, x, band, { labels, width, isFaint }, look);
  drawCurve(pen, inView(lane.steps, from, to, FINEST_PX * least), x, { top: band + 4, curve, width }, look);
}

/** Draw the runs of a lane alone, as an overview of the whole recording. */
export function drawOverview(canvas, lane, { length, labels }, height, look) {
  const { pen, width } = cleared(canvas, height);
  pen.fillStyle = look.track;
  pen.fillRect(0, 0, width, height);
  for (const run of inView(lane.runs, 0, length, length / width)) {
    const left = (run.from / length) * width;
    pen.fillStyle = patternFill(pen, colourOf(run.label), patternOf(labels, run.label));
    pen.fillRect(left, 0, Math.max((run.to / length) * width - left, 1), height);
  }
}

/** Make a canvas as large as it is shown, and return what draws on it in CSS pixels. */
function cleared(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, canvas.clientWidth);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return { pen, width };
}

const details = new WeakMap();

/** What of some stretches is between two times, no finer than `least` seconds: coarser ones are made once, and kept. */
function inView(stretches, from, to, least) {
  if (!details.has(stretches)) details.set(stretches, [{ seconds: 0, stretches }]);
  const levels = details.get(stretches);
  while (levels.at(-1).stretches.length > FEW && levels.at(-1).seconds * COARSER <= least) {
    const seconds = Math.max(levels.at(-1).seconds * COARSER, FIRST_COARSE_S);
    if (seconds > least) break;
    levels.push({ seconds, stretches: coarser(levels.at(-1).stretches, seconds) });
  }
  const level = levels.findLast(({ seconds }) => seconds <= least).stretches;
  let [low, high] = [0, level.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (level[middle].to < from) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < level.length && level[end].from <= to) end += 1;
  return coarser(level.slice(low, end), least);
}

/** Join neighbours until each is `seconds` long, with their mean confidence and the label of the longest. */
function coarser(stretches, seconds) {
  const joined = [];
  for (const one of stretches) {
    const last = joined.at(-1);
    const weight = one.to - one.from;
    if (last && one.from <= last.to + 1e-6 && one.to - last.from < seconds) {
      last.confidence += ((one.confidence - last.confidence) * weight) / (last.weight + weight || 1);
      last.weight += weight;
      last.to = one.to;
      if (weight > last.longest) [last.longest, last.label] = [weight, one.label];
    } else {
      joined.push({ ...one, weight, longest: weight });
    }
  }
  return joined;
}

function drawRun(pen, run, x, band, { labels, width: room, isFaint }, look) {
  const [left, right] = [Math.max(x(run.from), -4), Math.min(x(run.to), room + 4)];
  const width = Math.max(right - left, 1);
  const colour = colourOf(run.label);
  pen.globalAlpha = isFaint(run) ? 0.15 : 1;
  pen.fillStyle = patternFill(pen, colour, patternOf(labels, run.label));
  pen.fillRect(left, 0, width, band);
  pen.fillStyle = look.page;
  if (width > 4) pen.fillRect(left, 0, 1, band);
  pen.font = `${band > 22 ? 14 : 12}px system-ui, sans-serif`;
  const textWidth = width > 20 ? pen.measureText(run.label).width : Infinity;
  if (textWidth + 12 <= width) {
    pen.fillStyle = colour; // plain beneath the letters: patterns are hard to read through
    pen.fillRect(left + 3, 2, textWidth + 8, band - 4);
    pen.fillStyle = inkOn(colour);
    pen.textBaseline = "middle";
    pen.fillText(run.label, left + 7, band / 2 + 0.5);
  }
  pen.globalAlpha = 1;
}

function drawCurve(pen, steps, x, place, look) {
  const y = (p) => place.top + place.curve * (1 - p);
  pen.fillStyle = look.track;
  for (const p of [0, 0.5, 1]) pen.fillRect(0, Math.round(y(p)) - (p === 0 ? 1 : 0), place.width, 1);
  pen.strokeStyle = look.ink;
  pen.lineWidth = 1.5;
  pen.beginPath();
  let end = -Infinity;
  for (const step of steps) {
    if (step.from > end + 1e-6) pen.moveTo(x(step.from), y(step.confidence));
    pen.lineTo(x(step.from), y(step.confidence));
    pen.lineTo(x(step.to), y(step.confidence));
    end = step.to;
  }
  pen.stroke();
}

const tiles = new Map();

/** A fill of a colour with marks on it, one of N_PATTERNS; the same as those of the style sheet. */
function patternFill(pen, colour, index) {
  if (index === 0) return colour;
  const key = `${colour} ${index}`;
  if (!tiles.has(key)) tiles.set(key, pen.createPattern(tileOf(colour, index), "repeat"));
  return tiles.get(key);
}

function tileOf(colour, index) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const ink = tile.getContext("2d");
  ink.fillStyle = colour;
  ink.fillRect(0, 0, 8, 8);
  ink.strokeStyle = ink.fillStyle = inkOn(colour);
  ink.globalAlpha = 0.45;
  ink.lineWidth = 1.2;
  const line = (x0, y0, x1, y1) => {
    ink.beginPath();
    ink.moveTo(x0, y0);
    ink.lineTo(x1, y1);
    ink.stroke();
  };
  if (index === 1) for (const shift of [-8, 0, 8]) line(shift, 8, shift + 8, 0);
  if (index === 2) for (const shift of [-8, 0, 8]) line(shift, 0, shift + 8, 8);
  if (index === 3) for (const [x, y] of [[1, 1], [5, 5]]) ink.fillRect(x, y, 2, 2);
  if (index === 4) line(0, 4, 8, 4);
  if (index === 5) line(4, 0, 4, 8);
  if (index === 6) {
    line(0, 4, 8, 4);
    line(4, 0, 4, 8);
  }
  return tile;
}
