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
 * @param {{length: number, labels: string[]}} scale  length: seconds that the width stands for
 * @param {{page: string, ink: string, track: string}} look  colours of the page
 */
export function drawLane(canvas, lane, scale, look) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, laneHeight(lane)];
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const { band, curve } = SIZES[lane.kind];
  const x = (time) => (time / scale.length) * width;
  pen.fillStyle = look.track;
  pen.fillRect(0, 0, width, band);
  for (const run of lane.runs) drawRun(pen, run, x, band, scale.labels, look);
  drawCurve(pen, lane.steps, x, { top: band + 4, curve, width }, look);
}

function drawRun(pen, run, x, band, labels, look) {
  const [left, right] = [x(run.from), x(run.to)];
  const width = Math.max(right - left, 1);
  const colour = colourOf(run.label);
  pen.fillStyle = patternFill(pen, colour, patternOf(labels, run.label));
  pen.fillRect(left, 0, width, band);
  pen.fillStyle = look.page;
  if (width > 4) pen.fillRect(left, 0, 1, band);
  pen.font = `${band > 22 ? 14 : 12}px system-ui, sans-serif`;
  const textWidth = pen.measureText(run.label).width;
  if (textWidth + 12 > width) return;
  pen.fillStyle = colour; // plain beneath the letters: patterns are hard to read through
  pen.fillRect(left + 3, 2, textWidth + 8, band - 4);
  pen.fillStyle = inkOn(colour);
  pen.textBaseline = "middle";
  pen.fillText(run.label, left + 7, band / 2 + 0.5);
}

/** The steps, or where they are finer than can be seen, their means over FINEST_PX. */
function thinned(steps, x) {
  const thin = [];
  for (const step of steps) {
    const last = thin.at(-1);
    if (last && step.from <= last.to + 1e-6 && x(step.to) - x(last.from) < FINEST_PX) {
      last.confidence += (step.confidence - last.confidence) / (last.n + 1);
      last.n += 1;
      last.to = step.to;
    } else {
      thin.push({ ...step, n: 1 });
    }
  }
  return thin;
}

function drawCurve(pen, steps, x, place, look) {
  const y = (p) => place.top + place.curve * (1 - p);
  pen.fillStyle = look.track;
  for (const p of [0, 0.5, 1]) pen.fillRect(0, Math.round(y(p)) - (p === 0 ? 1 : 0), place.width, 1);
  pen.strokeStyle = look.ink;
  pen.lineWidth = 1.5;
  pen.beginPath();
  let end = -Infinity;
  for (const step of thinned(steps, x)) {
    if (step.from > end + 1e-6) pen.moveTo(x(step.from), y(step.confidence));
    pen.lineTo(x(step.from), y(step.confidence));
    pen.lineTo(x(step.to), y(step.confidence));
    end = step.to;
  }
  pen.stroke();
}

/** A fill of a colour with marks on it, one of N_PATTERNS; the same as those of the style sheet. */
function patternFill(pen, colour, index) {
  if (index === 0) return colour;
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
  return pen.createPattern(tile, "repeat");
}
