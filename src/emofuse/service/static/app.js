/** The page: a recording is dropped, sent, followed and shown; or the camera is used. */
import { Refused, ask, follow, keepToken, send } from "./api.js";
import { startLive } from "./live.js";
import { createPlayer } from "./player/player.js";
import { make } from "./player/parts.js";

const $ = (id) => document.getElementById(id);
const KINDS = { mp4: "Video with boxes", html: "Report", json: "JSON", csv: "CSV", png: "Picture", srt: "SRT", vtt: "WebVTT", eaf: "ELAN", textgrid: "TextGrid" };
let shown = null; // {player, urls, id} of the result on the page
let running = null; // AbortController of what is being worked on
let live = null;

/** Show some sections of the page, and hide the others. */
function show(...ids) {
  for (const id of ["start", "work", "live", "result"]) $(id).hidden = !ids.includes(id);
}

function complain(error) {
  if (error?.name === "AbortError") return;
  if (error instanceof Refused && error.status === 401) {
    $("token-form").hidden = false;
    $("token").focus();
  }
  $("problem").textContent = `Sorry: ${error.message}`;
  $("problem").hidden = false;
}

function doing(words, share = null) {
  $("doing").textContent = words;
  if (share === null) $("progress").removeAttribute("value");
  else $("progress").value = share;
}

async function analyse(file) {
  clear();
  show("work");
  running = new AbortController();
  const { signal } = running;
  let id = null;
  try {
    doing(`Sending ${file.name}`, 0);
    id = (await send(file, (share) => doing(`Sending ${file.name}`, share), signal)).id;
    const tell = ({ state, progress, ahead }) =>
      state === "running"
        ? doing(`Analysing ${file.name}: ${Math.round(100 * progress)} %`, progress)
        : doing(ahead ? `Waiting: ${ahead} before this one` : "Waiting", null);
    const analysis = await follow(id, tell, signal);
    await present(analysis, file);
    show("result");
    $("name").focus();
  } catch (error) {
    if (id && signal.aborted) ask(`analyses/${id}`, { method: "DELETE" }).catch(() => {});
    show("start");
    complain(error);
  } finally {
    running = null;
  }
}

/** Show a result: the recording itself where the browser plays it, else the video with boxes. */
async function present(analysis, file) {
  const timeline = await (await ask(`analyses/${analysis.id}/results/json`)).json();
  const urls = new Set();
  const keep = (blob) => {
    const url = URL.createObjectURL(blob);
    urls.add(url);
    return url;
  };
  const kind = timeline.source.has_video ? "video" : "audio";
  const media = make(kind, { controls: "", preload: "metadata", ...(kind === "video" ? { playsinline: "" } : {}) });
  let boxes = true;
  media.src = keep(file);
  if (kind === "video" && !(await plays(media)) && analysis.results.mp4) {
    media.src = keep(await (await ask(`analyses/${analysis.id}/results/mp4`)).blob());
    boxes = false;
  }
  $("name").textContent = analysis.name;
  $("name").tabIndex = -1;
  const player = createPlayer($("player"), timeline, { media, boxes });
  $("downloads").replaceChildren(make("span", {}, "Download: "), ...downloads(analysis, keep));
  if (analysis.notes) $("downloads").append(make("p", { class: "small" }, analysis.notes));
  shown = { player, urls, id: analysis.id };
}

function plays(media) {
  return new Promise((resolve) => {
    const done = (answer) => () => resolve(answer && media.videoWidth > 0);
    media.addEventListener("loadedmetadata", done(true), { once: true });
    media.addEventListener("error", done(false), { once: true });
    setTimeout(done(media.readyState > 0), 4000);
  });
}

function downloads(analysis, keep) {
  const stem = analysis.name.replace(/\.[^.]*$/, "") || "recording";
  return Object.entries(KINDS)
    .filter(([kind]) => kind in analysis.results)
    .map(([kind, words]) => {
      const link = make("a", { href: analysis.results[kind].slice(1), download: `${stem}.${kind}`, "data-kind": kind }, words);
      link.addEventListener("click", async (event) => {
        if (link.dataset.fetched) return;
        event.preventDefault(); // the token goes with a request of our own, not with a link
        try {
          link.href = keep(await (await ask(`analyses/${analysis.id}/results/${kind}`)).blob());
          link.dataset.fetched = "yes";
          link.click();
        } catch (error) {
          complain(error);
        }
      });
      return link;
    });
}

/** Take away what is shown, and what was complained of. */
function clear() {
  $("problem").hidden = true;
  if (!shown) return;
  shown.player.destroy();
  for (const url of shown.urls) URL.revokeObjectURL(url);
  $("player").replaceChildren();
  shown = null;
}

async function useCamera() {
  clear();
  show("live");
  try {
    live = await startLive($, (error) => {
      endLive();
      if (error) complain(error);
    });
  } catch (error) {
    endLive();
    complain(error);
  }
}

function endLive() {
  live?.stop();
  live = null;
  show("start");
}

async function greet() {
  try {
    const health = await (await ask("health")).json();
    const minutes = Math.max(1, Math.round(health.keep_s / 60));
    $("limits").textContent = `Up to ${health.max_upload_mb} MB and ${Math.round(health.max_duration_s / 60)} minutes; any common format`;
    $("kept").textContent = `Recordings are deleted as soon as they are analysed, results after ${minutes} minutes.`;
    $("camera").disabled = health.max_live === 0;
    if (health.token_needed && !sessionStorage.length) $("token-form").hidden = false;
  } catch (error) {
    complain(error);
  }
}

const drop = $("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length && !running && !live) analyse(event.dataTransfer.files[0]);
  });
}
$("file").addEventListener("change", () => {
  if ($("file").files.length) analyse($("file").files[0]);
  $("file").value = "";
});
$("camera").addEventListener("click", useCamera);
$("cancel").addEventListener("click", () => running?.abort());
$("stop").addEventListener("click", endLive);
$("pause").addEventListener("click", () => {
  $("pause").textContent = live?.pause() ? "Go on" : "Pause";
});
$("again").addEventListener("click", () => {
  clear();
  show("start");
});
$("forget").addEventListener("click", async () => {
  try {
    await ask(`analyses/${shown.id}`, { method: "DELETE" });
  } catch (error) {
    complain(error);
  }
  clear();
  show("start");
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken($("token").value);
  $("token-form").hidden = true;
  $("problem").hidden = true;
});
greet();
