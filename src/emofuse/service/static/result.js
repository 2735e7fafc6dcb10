/** The result of an analysis: the player with the recording in it, and what can be downloaded. */
import { ask, nameOf } from "./api.js";
import { make } from "./player/parts.js";
import { createPlayer } from "./player/player.js";

const PATIENCE_MS = 4000; // for a film's head
const HINT = "The service deletes recordings as soon as they are analysed.";

/**
 * Show a result: over the recording itself where it is here and the browser plays it, else with the video that has
 * boxes in it, as the service has deleted the recording.
 * @param {(id: string) => HTMLElement} $
 * @param {object} analysis  as the service describes it, done
 * @param {File|null} file  what was sent; null where this page did not send it
 * @param {(error: Error) => void} showError
 * @param {AbortSignal} signal  nothing is shown once it is aborted
 * @returns {Promise<() => void>}  takes it away again, and frees its memory
 */
export async function showResult($, analysis, file, showError, signal) {
  const fetched = (kind) => ask(`analyses/${analysis.id}/results/${kind}`, { signal });
  const timeline = await (await fetched("json")).json();
  const urls = [];
  const keep = (blob) => {
    urls.push(URL.createObjectURL(blob));
    return urls.at(-1);
  };
  const free = () => urls.forEach((url) => URL.revokeObjectURL(url));
  const isFilm = timeline.source.has_video;
  const media = make(isFilm ? "video" : "audio", { controls: "", preload: "metadata", ...(isFilm ? { playsinline: "" } : {}) });
  let boxes = true;
  try {
    if (file) media.src = keep(file);
    if (isFilm && analysis.results.mp4 && !(file && (await showsPictures(media)))) {
      media.src = keep(await (await fetched("mp4")).blob());
      boxes = false;
    }
    signal.throwIfAborted();
  } catch (error) {
    free();
    throw error;
  }
  const savePeople = async ({ names = {}, merge = [] }) => {
    const body = JSON.stringify({ names, merge });
    await ask(`analyses/${analysis.id}/people`, { method: "POST", body, signal, headers: { "content-type": "application/json" } });
    const changed = await (await fetched("json")).json();
    $("downloads").replaceChildren(...downloads(analysis, keep, signal, showError)); // what was fetched before is out of date
    return changed;
  };
  const player = createPlayer($("player"), timeline, { media, boxes, hint: file ? "" : HINT, savePeople });
  $("name").textContent = analysis.name;
  $("notes").textContent = analysis.notes;
  $("downloads").replaceChildren(...downloads(analysis, keep, signal, showError));
  const until = new Date(1000 * analysis.expires_s).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  $("expires").textContent = `The recording has been deleted from the service; results are deleted at ${until}.`;
  return () => {
    player.destroy();
    free();
    $("player").replaceChildren();
  };
}

/** Whether the browser shows the pictures of a film: of some it plays the sound alone. */
function showsPictures(media) {
  return new Promise((resolve) => {
    const answer = () => resolve(!media.error && media.videoWidth > 0);
    for (const name of ["loadedmetadata", "error"]) media.addEventListener(name, answer, { once: true });
    setTimeout(answer, PATIENCE_MS);
  });
}

/** A link for all results in one, and one for each format that there is. */
function downloads(analysis, keep, signal, showError) {
  const all = downloadLink("zip", "All (ZIP)", `analyses/${analysis.id}/archive`, keep, signal, showError);
  all.classList.add("primary");
  const single = Object.keys(analysis.results).map((kind) =>
    downloadLink(kind, analysis.titles[kind], `analyses/${analysis.id}/results/${kind}`, keep, signal, showError),
  );
  return [all, ...single];
}

function downloadLink(kind, title, path, keep, signal, showError) {
  const link = make("a", { href: `v1/${path}`, download: "", "data-kind": kind }, title);
  link.addEventListener("click", async (event) => {
    if (link.protocol === "blob:") return;
    event.preventDefault(); // the token goes with a request of our own, not with a link
    try {
      const response = await ask(path, { signal });
      link.download = nameOf(response);
      link.href = keep(await response.blob());
      link.click();
    } catch (error) {
      showError(error);
    }
  });
  return link;
}
