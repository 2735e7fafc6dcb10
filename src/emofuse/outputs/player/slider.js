/** The line at the time of playback, over all lanes; a slider for the pointer, the keyboard and screen readers. */
import { clock } from "./document.js";
import { make } from "./parts.js";

const STEP_S = 1; // by an arrow key
const PAGE_SHARE = 0.1; // of the length, by Page Up and Page Down
const KEY_ZOOM = 2;
const WHEEL_ZOOM = 1.002; // by a pixel of the wheel
const MOVE_SHARE = 0.25; // of what is shown, by Shift and an arrow

/**
 * @param {import("./window.js").TimeWindow} view  the stretch that the lanes show; zoomed and moved from here
 * @param {{seek: (seconds: number) => void, toggle: () => void, time: () => number}} playback
 * @param {{redraw: () => void, describe: (seconds: number) => string[]}} lanes  describe: lines about a time
 * @returns {{element: HTMLElement, show: (seconds: number, words: string) => void, place: () => void}}
 */
export function sliderPart(view, playback, { redraw, describe }) {
  const line = make("div", { class: "ef-line" });
  const tip = make("div", { class: "ef-tip", "aria-hidden": "true", hidden: "" });
  const element = make(
    "div",
    {
      class: "ef-slider",
      role: "slider",
      tabindex: "0",
      "aria-label": "Position in the recording",
      "aria-valuemin": "0",
      "aria-valuemax": view.length.toFixed(1),
    },
    line,
    tip,
  );
  let seconds = 0;
  const place = () => {
    const share = view.share(seconds);
    line.hidden = share < 0 || share > 1;
    line.style.left = `${100 * share}%`;
  };
  const show = (time, words) => {
    seconds = time;
    place();
    element.setAttribute("aria-valuenow", time.toFixed(1));
    element.setAttribute("aria-valuetext", `${clock(time, 1)} of ${clock(view.length, 1)}, ${words}`);
  };
  followPointers(element, view, { seek: playback.seek, redraw, hover: (share) => showTip(tip, share, view, describe) });
  followKeys(element, view, playback, redraw);
  return { element, show, place };
}

/** Show what the lanes say where the pointer is; null is nowhere. */
function showTip(tip, share, view, describe) {
  tip.hidden = share === null || share < 0 || share > 1;
  if (tip.hidden) return;
  tip.replaceChildren(...describe(view.time(share)).map((text) => make("div", {}, text)));
  tip.style.left = `${100 * share}%`;
  tip.classList.toggle("ef-tip-left", share > 0.6);
}

/** One pointer sets the time, two zoom and move, and the wheel does with Ctrl and Shift. */
function followPointers(element, view, { seek, redraw, hover }) {
  const pointers = new Map(); // of those that are down, where they are: shares of the width
  const shareOf = (event) => {
    const box = element.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, shareOf(event));
    if (pointers.size === 1) seek(view.time(shareOf(event)));
  });
  element.addEventListener("pointermove", (event) => {
    const here = shareOf(event);
    if (!pointers.has(event.pointerId)) {
      if (event.pointerType === "mouse") hover(here);
      return;
    }
    const before = [...pointers.values()];
    pointers.set(event.pointerId, here);
    const after = [...pointers.values()];
    if (after.length === 1) {
      seek(view.time(here));
    } else if (after.length === 2) {
      const [apart, was] = [Math.abs(after[0] - after[1]), Math.abs(before[0] - before[1])];
      const [middle, wasMiddle] = [(after[0] + after[1]) / 2, (before[0] + before[1]) / 2];
      view.pan((wasMiddle - middle) * view.span);
      if (apart > 0.01 && was > 0.01) view.zoom(was / apart, view.time(middle));
      redraw();
    }
  });
  for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, (event) => pointers.delete(event.pointerId));
  element.addEventListener("pointerleave", () => hover(null));
  element.addEventListener(
    "wheel",
    (event) => {
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (event.ctrlKey) view.zoom(WHEEL_ZOOM ** event.deltaY, view.time(shareOf(event)));
      else if (sideways && !view.isWhole) view.pan((sideways / element.clientWidth) * view.span);
      else return; // the page scrolls
      event.preventDefault();
      redraw();
    },
    { passive: false },
  );
}

function followKeys(element, view, { seek, toggle, time }, redraw) {
  const shown = (change) => () => {
    change();
    redraw();
  };
  const keys = {
    ArrowRight: () => seek(time() + STEP_S),
    ArrowUp: () => seek(time() + STEP_S),
    ArrowLeft: () => seek(time() - STEP_S),
    ArrowDown: () => seek(time() - STEP_S),
    PageUp: () => seek(time() + PAGE_SHARE * view.length),
    PageDown: () => seek(time() - PAGE_SHARE * view.length),
    Home: () => seek(0),
    End: () => seek(view.length),
    " ": toggle,
    "+": shown(() => view.zoom(1 / KEY_ZOOM, time())),
    "=": shown(() => view.zoom(1 / KEY_ZOOM, time())),
    "-": shown(() => view.zoom(KEY_ZOOM, time())),
    0: shown(() => view.set(0, view.length)),
  };
  const shifted = {
    ArrowRight: shown(() => view.pan(MOVE_SHARE * view.span)),
    ArrowLeft: shown(() => view.pan(-MOVE_SHARE * view.span)),
  };
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = (event.shiftKey && Object.hasOwn(shifted, event.key) && shifted[event.key]) || (Object.hasOwn(keys, event.key) && keys[event.key]);
    if (!act) return;
    event.preventDefault();
    act();
  });
}
