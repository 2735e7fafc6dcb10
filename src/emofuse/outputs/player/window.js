/** The stretch of time that the lanes show, which is zoomed and moved, and round times on it. Nothing here touches the page. */

const SHORTEST_S = 1; // that can be shown
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** A stretch within a recording; it starts as the whole of it. Times are in seconds. */
export class TimeWindow {
  /** @param {number} length  of the recording */
  constructor(length) {
    this.length = length;
    this.from = 0;
    this.to = length;
  }

  get span() {
    return this.to - this.from;
  }

  get isWhole() {
    return this.span >= this.length - 1e-9;
  }

  /** Show from one time to another, in either order, but not less than a second and nothing outside. */
  set(one, other) {
    const span = Math.min(Math.max(Math.abs(other - one), Math.min(SHORTEST_S, this.length)), this.length);
    const from = (one + other - span) / 2;
    this.from = Math.min(Math.max(from, 0), this.length - span);
    this.to = this.from + span;
  }

  /** Show `factor` times as much, with `time` staying where it is. */
  zoom(factor, time = (this.from + this.to) / 2) {
    const span = Math.min(Math.max(this.span * factor, Math.min(SHORTEST_S, this.length)), this.length);
    const from = Math.min(Math.max(time - this.share(time) * span, 0), this.length - span);
    this.set(from, from + span);
  }

  /** Move by some seconds. */
  pan(seconds) {
    const from = Math.min(Math.max(this.from + seconds, 0), this.length - this.span);
    this.set(from, from + this.span);
  }

  /** Move on to a time that is outside, as a film is that plays; tells whether anything moved. */
  follow(time) {
    if (this.isWhole || (time >= this.from && time <= this.to)) return false;
    this.pan(time - this.from - 0.1 * this.span);
    return true;
  }

  /** Where a time is, as a share of the width from the left. */
  share(time) {
    return (time - this.from) / this.span;
  }

  /** The time at a share of the width. */
  time(share) {
    return this.from + share * this.span;
  }
}

/**
 * Round times of a stretch.
 * @param {number} from
 * @param {number} to
 * @param {number} most  that there is room for
 * @returns {{times: number[], decimals: number}} decimals: that tell them apart
 */
export function ticksOf(from, to, most) {
  const step = STEPS_S.find((seconds) => (to - from) / seconds <= most) ?? STEPS_S.at(-1) * Math.ceil((to - from) / STEPS_S.at(-1) / most);
  const times = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9; i++) times.push(i * step);
  return { times, decimals: step < 1 ? 1 : 0 };
}
