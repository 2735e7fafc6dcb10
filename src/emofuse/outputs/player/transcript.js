/** What was said, line by line: coloured by the answer at that time, the line of now marked, and a click seeks. */
import { clock, labelBetween, speakerOf } from "./document.js";
import { make, swatch } from "./parts.js";

/**
 * @param {object} doc
 * @param {(seconds: number) => void} seek
 * @returns {{elements: HTMLElement[], show: (time: number) => void}}  no element where nothing was said
 */
export function transcriptPart(doc, seek) {
  const lines = doc.lines ?? [];
  if (!lines.length) return { elements: [], show: () => {} };
  const list = make("ol", { class: "ef-lines" });
  const items = lines.map((line) => {
    const label = labelBetween(doc, line.start_s, line.end_s);
    const who = speakerOf(doc, line);
    const button = make(
      "button",
      { type: "button" },
      ...(label === null ? [] : [swatch(doc.labels, label)]),
      make("span", { class: "ef-time" }, clock(line.start_s, 1)),
      " ",
      ...(who ? [make("strong", {}, `${who}: `)] : []),
      line.text,
      make("span", { class: "ef-said" }, label === null ? " (nothing read)" : ` (${label})`),
    );
    button.addEventListener("click", () => seek(line.start_s));
    list.append(make("li", {}, button));
    return { line, button };
  });
  const element = make("section", { "aria-label": "What was said" }, make("h2", {}, "What was said"), list);
  let current = null;
  const show = (time) => {
    const found = items.find(({ line }) => time >= line.start_s && time < line.end_s)?.button ?? null;
    if (found === current) return;
    current?.removeAttribute("aria-current");
    found?.setAttribute("aria-current", "true");
    if (found) list.scrollTop = found.offsetTop - list.offsetTop - (list.clientHeight - found.offsetHeight) / 2;
    current = found;
  };
  return { elements: [element], show };
}
