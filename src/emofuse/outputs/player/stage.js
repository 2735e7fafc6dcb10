/** The film or the sound, and the faces over it. */
import { drawFaces } from "./boxes.js";
import { make } from "./parts.js";

const UNPLAYABLE = "This browser cannot play the recording, or it is no longer where it was.";

/**
 * @param {object} doc
 * @param {HTMLMediaElement} media
 * @param {{boxes: boolean, hint: string}} options  see createPlayer
 * @param {() => void} redraw  called when the choice to draw boxes changes
 * @returns {{element: HTMLElement, show: (time: number) => void, fail: () => void, recover: () => void}}
 */
export function stagePart(doc, media, { boxes, hint }, redraw) {
  const isFilm = media instanceof HTMLVideoElement;
  const canvas = make("canvas", { class: "ef-boxes", "aria-hidden": "true" });
  const why = make("p");
  const failure = failurePart(media, why);
  const frame = make("div", { class: isFilm ? "ef-film" : "ef-sound" }, media, ...(isFilm ? [canvas] : []));
  const element = make("div", { class: "ef-stage" }, frame, failure);
  const box = make("input", { type: "checkbox" });
  const hasBoxes = isFilm && boxes && doc.moments.some((moment) => moment.faces.length);
  box.checked = hasBoxes;
  if (hasBoxes) {
    box.addEventListener("change", redraw);
    frame.after(make("label", { class: "ef-choice" }, box, " Draw boxes and labels"));
  }
  const show = (time) => {
    canvas.hidden = !box.checked;
    if (box.checked) canvas.dataset.faces = drawFaces(canvas, media, doc, time);
  };
  const fail = () => {
    const what = media.hasAttribute("src") ? UNPLAYABLE : "The recording is not here.";
    why.textContent = `${what} ${hint} The timeline works without it.`;
    element.classList.add("ef-failed");
  };
  const recover = () => element.classList.remove("ef-failed");
  return { element, show, fail, recover };
}

/** What to do where the recording does not play; the style sheet shows it in its place. why: says why it does not. */
function failurePart(media, why) {
  const choice = make("input", { type: "file", accept: "video/*,audio/*" });
  choice.addEventListener("change", () => {
    if (choice.files.length) media.src = URL.createObjectURL(choice.files[0]);
  });
  return make(
    "div",
    { class: "ef-failure", role: "status" },
    why,
    make("label", {}, "Or choose a copy on this machine: ", choice),
  );
}
