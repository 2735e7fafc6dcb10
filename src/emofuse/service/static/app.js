/** The page: a recording is dropped, sent, followed and shown; or the camera is used. */
import { ask, follow, keepToken, send, token } from "./api.js";
import { Live } from "./live.js";
import { LiveView } from "./live-view.js";
import { percent } from "./player/document.js";
import { showResult } from "./result.js";

const $ = (id) => document.getElementById(id);
const MEGABYTE = 1e6;
let limits = null; // what the service said of itself
let shown = null; // {id, name, remove} of the result on the page
let running = null; // AbortController of what is being worked on
let live = null;

/** Show a section of the page, and put the keyboard where it goes on. */
function show(section) {
  for (const id of ["token-form", "start", "work", "live", "result"]) $(id).hidden = id !== section;
  const first = { "token-form": "token", start: "file", work: "cancel", live: "stop", result: "name" };
  $(first[section]).focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Say something in words above what is shown; what was said before is gone. */
function say(words) {
  $("said").textContent = words;
  $("problem").textContent = "";
}

/** Say what went wrong. about: with which recording, if any. */
function complain(error, about = "") {
  if (error.status === 401) show("token-form");
  const { message } = error;
  say("");
  $("problem").textContent = about ? `${about}: ${message}` : `${message[0].toUpperCase()}${message.slice(1)}`;
}

/** Say what is being done. share: how much of it is, of 1; null where that is not known. */
function doing(words, share = null) {
  if ($("doing").textContent !== words) $("doing").textContent = words; // once: it is read out
  $("share").textContent = share === null ? "" : percent(share);
  if (share === null) $("progress").removeAttribute("value");
  else $("progress").value = share;
}

function doingFor(analysis) {
  if (!analysis) doing("The service does not answer; waiting for it");
  else if (analysis.state !== "running") doing(analysis.ahead ? `Waiting: ${analysis.ahead} before this one` : "Waiting");
  else if (analysis.progress === 0) doing("Starting");
  else if (analysis.progress < 1) doing("Analysing", analysis.progress);
  else doing("Writing the results");
}

async function analyse(file) {
  clear();
  if (limits && file.size > limits.max_upload_mb * MEGABYTE) {
    complain(new Error(`it has ${Math.ceil(file.size / MEGABYTE)} MB, and ${limits.max_upload_mb} MB are taken here`), file.name);
    return;
  }
  $("work-name").textContent = file.name;
  doing("Sending", 0);
  show("work");
  running = new AbortController();
  const { signal } = running;
  let id = null;
  try {
    id = (await send(file, (share) => doing("Sending", share), signal)).id;
    const analysis = await follow(id, doingFor, signal);
    doing("Fetching the results");
    const remove = await showResult($, analysis, file, complain);
    shown = { id, name: analysis.name, remove };
    show("result");
  } catch (error) {
    show("start");
    if (signal.aborted) {
      if (id) ask(`analyses/${id}`, { method: "DELETE" }).catch(complain);
      say("Cancelled. Nothing of the recording is left on the service.");
    } else {
      complain(error, file.name);
    }
  } finally {
    running = null;
  }
}

/** Take away what is shown, and what was said. */
function clear() {
  say("");
  shown?.remove();
  shown = null;
}

async function useCamera() {
  clear();
  show("live");
  $("pause").textContent = "Pause";
  live = new Live($("eye"), new LiveView($));
  try {
    await live.run();
    show("start");
    say("The camera and the microphone are off.");
  } catch (error) {
    show("start");
    complain(error);
  } finally {
    live = null;
  }
}

async function forget() {
  const { id, name } = shown;
  try {
    await ask(`analyses/${id}`, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) return complain(error); // what is not there any more is deleted
  }
  clear();
  show("start");
  say(`The results of ${name} are deleted from the service.`);
}

async function greet() {
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  $("where").textContent = isHere ? "this machine" : location.hostname;
  try {
    limits = await (await ask("health")).json();
  } catch (error) {
    return complain(error);
  }
  const minutes = (seconds) => `${Math.max(1, Math.round(seconds / 60))} minutes`;
  $("limits").textContent = `Any common format, up to ${limits.max_upload_mb} MB and ${minutes(limits.max_duration_s)}`;
  $("kept").textContent = `Recordings are deleted as soon as they are analysed, results after ${minutes(limits.keep_s)}.`;
  $("camera").disabled = limits.max_live === 0;
  if (limits.token_needed && !token()) show("token-form");
}

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // else the browser leaves the page for the file
    $("drop").classList.toggle("over", kind === "dragover");
    const files = kind === "drop" ? event.dataTransfer.files : [];
    if (files.length && !running && !live && $("token-form").hidden) analyse(files[0]);
  });
}
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  $("file").value = ""; // so that the same one can be chosen again
  if (file) analyse(file);
});
$("camera").addEventListener("click", useCamera);
$("cancel").addEventListener("click", () => running?.abort());
$("stop").addEventListener("click", () => live?.stop());
$("pause").addEventListener("click", () => {
  $("pause").textContent = live?.pause() ? "Go on" : "Pause";
});
$("again").addEventListener("click", () => {
  clear();
  show("start");
});
$("forget").addEventListener("click", forget);
$("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await keepToken($("token").value.trim());
    say("");
    show("start");
  } catch (error) {
    complain(error);
  }
  $("token").value = "";
});
greet();
