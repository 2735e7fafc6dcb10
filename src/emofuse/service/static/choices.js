/** The options of an analysis: what the form says, remembered by this browser; and the transcript that goes along. */
import { make } from "./player/parts.js";

const KEY = "emofuse-options";
const TRANSCRIPTS = /\.(srt|vtt|json|txt)$/i;

/** Whether a file is a transcript by its name. */
export function isTranscript(file) {
  return TRANSCRIPTS.test(file.name);
}

export class Choices {
  #dropped = null; // a transcript that was dropped, in place of one that was chosen

  /**
   * @param {(id: string) => HTMLElement} $
   * @param {{asr: boolean, formats: Object<string, string>}} offered  by the service
   */
  constructor($, { asr, formats }) {
    this.$ = $;
    this.form = $("choices");
    $("asr-field").hidden = !asr;
    const ticks = Object.entries(formats).map(([kind, title]) => {
      const box = make("input", { type: "checkbox", name: "formats", value: kind, checked: "" });
      if (kind === "json") box.disabled = true; // this page shows it
      return make("label", {}, box, ` ${title}`);
    });
    $("formats").replaceChildren(...ticks);
    this.#recall(asr);
    this.form.addEventListener("change", () => this.#remember());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    $("transcript").addEventListener("change", () => this.#take(null));
    $("no-transcript").addEventListener("click", () => this.drop());
  }

  /** The transcript of the next recording, or null. */
  get transcript() {
    return this.#dropped ?? this.$("transcript").files[0] ?? null;
  }

  /** Have a file go along with the next recording. */
  take(file) {
    this.$("transcript").value = "";
    this.#take(file);
    this.$("options").open = true;
  }

  /** Let no transcript go along: it is of one recording. */
  drop() {
    this.$("transcript").value = "";
    this.#take(null);
  }

  #take(file) {
    this.#dropped = file;
    const { transcript } = this;
    this.$("no-transcript").hidden = !transcript;
    this.$("no-transcript").textContent = transcript ? `Remove ${transcript.name}` : "Remove";
  }

  /** What is chosen, as the service calls it. */
  options() {
    const { form } = this;
    const chosen = [...form.querySelectorAll("[name=formats]:checked")].map((box) => box.value);
    const all = form.querySelectorAll("[name=formats]").length;
    return {
      mode: form.elements.mode.value,
      overlay: form.elements.overlay.value,
      ...Object.fromEntries(["transcribe", "smooth", "blur_faces"].map((name) => [name, String(form.elements[name].checked)])),
      ...(chosen.length < all && { formats: chosen.join(",") }),
    };
  }

  #remember() {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.options()));
    } catch {
      // a browser that keeps nothing: they are chosen anew
    }
  }

  #recall(asr) {
    let kept = {};
    try {
      kept = JSON.parse(localStorage.getItem(KEY)) ?? {};
    } catch {
      // nothing that can be read
    }
    for (const name of ["mode", "overlay"]) {
      const { options } = this.form.elements[name];
      if ([...options].some(({ value }) => value === kept[name])) this.form.elements[name].value = kept[name];
    }
    for (const name of ["transcribe", "smooth", "blur_faces"]) this.form.elements[name].checked = kept[name] === "true";
    if (!asr) this.form.elements.transcribe.checked = false;
    const kinds = kept.formats?.split(",");
    if (kinds) for (const box of this.form.querySelectorAll("[name=formats]")) box.checked = box.disabled || kinds.includes(box.value);
  }
}
