/** The page: a recording is dropped, sent, followed and shown; or the camera is used. The address says what is shown. */
import { goTo, idInAddress, namesAny, replaceBy } from "./address.js";
import { ask, follow, keepToken, send, token } from "./api.js";
import { Choices, isTranscript } from "./choices.js";
import { Live } from "./live.js";
import { LiveView } from "./live-view.js";
import { percent } from "./player/document.js";
import { showResult } from "./result.js";

const $ = (id) => document.getElementById(id);
const MEGABYTE = 1e6;
const STAGES = { transcribing: "Recognising speech", analysing: "Analysing", drawing: "Drawing the video" };
const GONE = "That analysis is no longer here: it was deleted, or the time that results are kept is over.";
const sent = new Map(); // id: File, of the recordings that this page has sent; a reload forgets them
let limits = null; // what the service said of itself
let choices = null;
const CHOICES = ["camera-choice", "microphone-choice", "words"]; // of a live session, which begins anew with another
let saved = null; // {file, url} of a live session that was saved, and is not analysed yet
let shown = null; // {id, name, remove} of the result on the page
let work = null; // {id, controller} of what is being worked on; no id while it is being sent
let live = null;

/** Show a section of the page, and put the keyboard where it goes on. */
function show(section) {
  for (const id of ["token-form", "start", "work", "live", "saved", "result"]) $(id).hidden = id !== section;
  const first = { "token-form": "token", start: "file", work: "cancel", live: "stop", saved: "saved-title", result: "name" };
  $(first[section]).focus({ preventScroll: true });
  scrollTo(0, 0);
  entitle({ live: "Live", saved: "Saved session", result: shown?.name }[section] ?? "");
}

/** Say in the tab's title what is on the page. */
function entitle(words) {
  document.title = words ? `${words} – emofuse` : "emofuse";
}

/** Say something in words above what is shown; what was said before is gone. */
function say(words) {
  $("said").textContent = words;
  $("problem").textContent = "";
}

/** Say what went wrong. about: with which recording, if any. */
function showError(error, about = "") {
  if (error.status === 401) show("token-form");
  const { message } = error;
  say("");
  $("problem").textContent = about ? `${about}: ${message}` : `${message[0].toUpperCase()}${message.slice(1)}`;
}

/** Seconds as words, roughly. */
function lasting(seconds) {
  if (seconds < 10) return "A few seconds";
  if (seconds < 90) return `About ${10 * Math.round(seconds / 10)} seconds`;
  return seconds < 5400 ? `About ${Math.round(seconds / 60)} minutes` : `About ${Math.round(seconds / 3600)} hours`;
}

/** Say what is being done. share: how much of it is, of 1, and left: seconds; null where that is not known. */
function doing(words, share = null, left = null) {
  if ($("doing").textContent !== words) $("doing").textContent = words; // once: it is read out
  $("share").textContent = share === null ? "" : percent(share);
  $("left").textContent = left === null ? "" : `${lasting(left)} left`;
  entitle([share === null ? words : percent(share), $("work-name").textContent].filter(Boolean).join(" "));
  if (share === null) $("progress").removeAttribute("value");
  else $("progress").value = share;
}

/** Say how far an analysis is; null where the service does not answer. */
function describe(analysis) {
  if (analysis) $("work-name").textContent = analysis.name;
  if (!analysis) doing("The service does not answer; waiting for it");
  else if (analysis.state !== "running") doing(analysis.ahead ? `Waiting: ${analysis.ahead} before this one` : "Waiting");
  else if (analysis.progress === 0) doing("Starting");
  else if (analysis.progress < 1) doing(STAGES[analysis.stage] ?? "Analysing", analysis.progress, analysis.remaining_s);
  else doing("Writing the results");
}

async function analyse(file, transcript = choices?.transcript ?? null) {
  startOver();
  if (limits && file.size > limits.max_upload_mb * MEGABYTE) {
    showError(new Error(`it has ${Math.ceil(file.size / MEGABYTE)} MB, and ${limits.max_upload_mb} MB are taken here`), file.name);
    return;
  }
  const { signal } = begin("", file.name);
  doing("Sending", 0);
  try {
    const began = performance.now();
    const onProgress = (share) => {
      const spent = (performance.now() - began) / 1000;
      doing("Sending", share, share > 0 && spent > 2 ? (spent / share) * (1 - share) : null);
    };
    const { id } = await send(file, { options: choices?.options() ?? {}, transcript }, onProgress, signal);
    choices?.drop();
    sent.set(id, file);
    goTo(id);
    attend(id, file.name);
  } catch (error) {
    if (signal.aborted) return;
    startOver();
    showError(error, file.name);
  }
}

/** Follow an analysis to its end, and show what came of it. name: of the recording, where that is known. */
async function attend(id, name = "") {
  const { signal } = begin(id, name);
  try {
    const analysis = await follow(id, describe, signal);
    $("work-name").textContent = analysis.name;
    doing("Fetching the results");
    const remove = await showResult($, analysis, sent.get(id) ?? null, showError, signal);
    work = null;
    shown = { id, name: analysis.name, remove };
    show("result");
  } catch (error) {
    if (!signal.aborted) giveUp(error, $("work-name").textContent);
  }
}

/** Show that something is being worked on; whoever takes it off the page aborts the signal. */
function begin(id, name) {
  clear();
  work = { id, controller: new AbortController() };
  $("work-name").textContent = name;
  $("work-stays").hidden = !id;
  doing(name ? "Waiting" : "Looking for it");
  show("work");
  return work.controller;
}

/** Say why there is no result. What may come later, when the service answers again or has its token, keeps its address. */
function giveUp(error, name) {
  if (error.status === 404) return startWith(GONE);
  if (error.status === 409) replaceBy("");
  clear();
  show("start");
  showError(error, name);
}

/** Take everything off the page; what the service works on goes on. */
function clear() {
  say("");
  work?.controller.abort();
  live?.stop();
  shown?.remove();
  if (saved) URL.revokeObjectURL(saved.url);
  work = live = shown = saved = null;
}

/** Leave what is shown for the start; the back button leads to it again. */
function startOver() {
  clear();
  goTo("");
  show("start");
}

/** Show the start with some words, in the place of an analysis that is no more. */
function startWith(words) {
  clear();
  replaceBy("");
  show("start");
  say(words);
}

/** Show what the address says. */
function goByAddress() {
  if (!$("token-form").hidden) return; // it comes after the token
  if (idInAddress()) {
    attend(idInAddress());
  } else if (namesAny()) {
    startWith(GONE);
  } else {
    clear();
    show("start");
  }
}

async function cancel() {
  const { id } = work;
  const name = $("work-name").textContent || "The recording";
  const words = "Cancelled. Nothing of the recording is left on the service.";
  startWith(words);
  try {
    if (id) await forget(id);
  } catch (error) {
    if ($("said").textContent === words) showError(error, name);
    else mention(`${name} could not be deleted: ${error.message}`);
  }
}

async function useCamera() {
  startOver();
  show("live");
  $("pause").textContent = "Pause";
  $("keep").checked = false;
  for (const id of CHOICES) $(id).disabled = false;
  const session = new Live($("eye"), new LiveView($));
  live = session;
  let problem = null;
  try {
    await session.run();
  } catch (error) {
    problem = error;
  }
  const film = await session.saved();
  if (live !== session) return; // something else is shown already
  live = null;
  if (film) offer(film);
  else show("start");
  if (problem) showError(problem);
  else say("The camera and the microphone are off.");
}

/** Offer a live session that was saved. */
function offer(file) {
  saved = { file, url: URL.createObjectURL(file) };
  Object.assign($("saved-download"), { href: saved.url, download: file.name });
  show("saved");
}

/** Analyse the clip that comes with emofuse, with its words. */
async function tryExample() {
  startOver();
  const get = async (name, type) => {
    const response = await fetch(`static/example/${name}`);
    if (!response.ok) throw new Error("the example is not here");
    return new File([await response.blob()], name.replace("clip", "example"), { type });
  };
  try {
    const [clip, words] = await Promise.all([get("clip.mp4", "video/mp4"), get("clip.srt", "application/x-subrip")]);
    await analyse(clip, words);
  } catch (error) {
    showError(error);
  }
}

async function deleteShown() {
  const { id, name } = shown;
  const isThere = () => shown?.id === id; // else somebody has gone on, and that stays
  try {
    await forget(id);
  } catch (error) {
    if (isThere()) showError(error);
    else mention(`The results of ${name} could not be deleted: ${error.message}`);
    return;
  }
  if (isThere()) startWith(`The results of ${name} are deleted from the service.`);
  else if (!$("start").hidden) mention(`The results of ${name} are deleted from the service.`);
}

/** Say what became of something that is not on the page any more, where nothing else is said. */
function mention(words) {
  if (!$("said").textContent && !$("problem").textContent) $("said").textContent = words;
}

/** Have the service delete an analysis and all that came of it. */
async function forget(id) {
  try {
    await ask(`analyses/${id}`, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) throw error; // what is not there any more is deleted
  }
  sent.delete(id); // not before: where it fails, the result can be shown again
}

async function greet() {
  if (namesAny()) $("start").hidden = true; // it is not what is shown first
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  $("where").textContent = isHere ? "this machine" : location.hostname;
  try {
    limits = await (await ask("health")).json();
  } catch (error) {
    show("start");
    return showError(error);
  }
  const minutes = (seconds) => `${Math.max(1, Math.round(seconds / 60))} minutes`;
  $("limits").textContent = `Any common format, up to ${limits.max_upload_mb} MB and ${minutes(limits.max_duration_s)}`;
  $("kept").textContent = `Recordings are deleted as soon as they are analysed, results after ${minutes(limits.keep_s)}.`;
  $("camera").disabled = limits.max_live === 0;
  $("words-choice").hidden = !limits.live_asr;
  choices = new Choices($, limits);
  if (limits.token_needed && !token()) show("token-form");
  else if (namesAny()) goByAddress();
}

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // else the browser leaves the page for the file
    $("drop").classList.toggle("over", kind === "dragover");
    const files = kind === "drop" ? [...event.dataTransfer.files] : [];
    if (files.length && !work && !live && $("token-form").hidden) takeDropped(files);
  });
}

/** A recording, a transcript, or both. */
function takeDropped(files) {
  const words = files.find(isTranscript);
  const film = files.find((file) => file !== words) ?? null;
  if (film) analyse(film, words ?? choices?.transcript ?? null);
  else {
    show("start");
    choices?.take(words);
    say(`${words.name} goes along with the next recording.`);
  }
}
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  $("file").value = ""; // so that the same one can be chosen again
  if (file) analyse(file);
});
$("camera").addEventListener("click", useCamera);
$("example").addEventListener("click", tryExample);
$("saved-analyse").addEventListener("click", () => analyse(saved.file, null));
$("saved-drop").addEventListener("click", startOver);
for (const id of CHOICES) $(id).addEventListener("change", () => live && useCamera());
$("keep").addEventListener("change", () => {
  live?.keep($("keep").checked);
  for (const id of CHOICES) $(id).disabled = Boolean(live?.isKept);
});
$("mirror").addEventListener("change", () => $("eye").classList.toggle("mirrored", $("mirror").checked));
addEventListener("beforeunload", (event) => {
  const isSending = work && !work.id;
  if (isSending || saved || live?.isKept) event.preventDefault(); // else it is lost without a word
});
$("cancel").addEventListener("click", cancel);
$("stop").addEventListener("click", () => live?.stop());
$("pause").addEventListener("click", () => {
  $("pause").textContent = live?.pause() ? "Go on" : "Pause";
});
$("again").addEventListener("click", startOver);
$("forget").addEventListener("click", deleteShown);
$("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await keepToken($("token").value.trim());
    $("token-form").hidden = true;
    goByAddress();
  } catch (error) {
    showError(error);
  }
  $("token").value = "";
});
addEventListener("hashchange", goByAddress);
greet();
