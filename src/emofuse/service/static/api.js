/** Talking to the service: requests with the token where one is wanted, and refusals as errors that people can read. */

const KEY = "emofuse-token";
const PATIENCE_MS = 60000; // for a service that does not answer while it works: it may be started again
const LONGEST_NAME = 300;
const UNREACHABLE = "the service cannot be reached";

/** A refusal of the service. status: as of HTTP, 401 where the token is missing or wrong; 0 where nothing answers. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The token of this tab, or "". */
export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Keep a token as long as the tab is open. Throws Refused where it is not the service's. */
export async function keepToken(text) {
  sessionStorage.setItem(KEY, text);
  try {
    if (/[^\x21-\x7e]/.test(text)) throw noToken(); // a header cannot hold it
    await ask("metrics"); // the least that wants the token
  } catch (error) {
    sessionStorage.removeItem(KEY);
    throw error;
  }
}

/** The refusal of somebody without the token. */
export function noToken() {
  return new Refused(401, token() ? "that is not the token of this service" : "this service wants its token");
}

function authorisation() {
  return token() ? { authorization: `Bearer ${token()}` } : {};
}

/** Ask for something below /v1. Returns the Response; throws Refused. */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(`v1/${path}`, { ...options, headers: { ...options.headers, ...authorisation() } });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Refused(0, UNREACHABLE);
  }
  if (!response.ok) throw refusalOf(response.status, await response.text(), response.headers.get("retry-after"));
  return response;
}

function refusalOf(status, body, retryAfter) {
  if (status === 401) return noToken();
  let message = `the service answered ${status}`;
  try {
    message = JSON.parse(body).error.message;
  } catch {
    // not one of the service's own answers: its number must do
  }
  return new Refused(status, retryAfter ? `${message} (in about ${retryAfter} s)` : message);
}

/** What the service calls the file that it answered with. */
export function nameOf(response) {
  const said = response.headers.get("content-disposition") ?? "";
  const [, coded, plain] = /filename\*=utf-8''([^;]+)|filename="([^"]*)"/i.exec(said) ?? [];
  return coded ? decodeURIComponent(coded) : (plain ?? "");
}

/**
 * Send a recording; fetch cannot tell how much of a body is sent, XMLHttpRequest can.
 * @param {File} file
 * @param {{options: Object<string, string>, transcript: File|null}} given  options: as the service calls them
 * @param {(share: number) => void} onProgress  of 1
 * @param {AbortSignal} signal
 * @returns {Promise<object>}  the analysis, as the service describes it
 */
export function send(file, { options, transcript }, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `v1/analyses?${new URLSearchParams({ name: file.name.slice(0, LONGEST_NAME), ...options })}`);
    if (!transcript) request.setRequestHeader("content-type", "application/octet-stream");
    for (const [name, value] of Object.entries(authorisation())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => onProgress(event.total ? event.loaded / event.total : 0));
    request.addEventListener("load", () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else reject(refusalOf(request.status, request.responseText, request.getResponseHeader("retry-after")));
    });
    request.addEventListener("error", () => reject(new Refused(0, `${UNREACHABLE}, or the file cannot be read`)));
    request.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(transcript ? formOf(file, transcript) : file);
  });
}

function formOf(file, transcript) {
  const form = new FormData();
  form.append("file", file);
  form.append("transcript", transcript);
  return form;
}

/**
 * Wait until an analysis has ended; returns how it is described then. A service that is started again goes on with it,
 * so one that does not answer is waited for.
 * @param {string} id
 * @param {(analysis: object|null) => void} onProgress  null while the service does not answer
 * @param {AbortSignal} signal
 * Throws Refused where it failed.
 */
export async function follow(id, onProgress, signal) {
  let lost = 0; // when the service stopped answering
  for (let pause = 200; ; pause = Math.min(pause * 1.3, 1500)) {
    try {
      const analysis = await (await ask(`analyses/${id}`, { signal })).json();
      if (analysis.state === "done") return analysis;
      if (analysis.state === "failed") throw new Refused(409, analysis.error.message);
      lost = 0;
      onProgress(analysis);
    } catch (error) {
      lost ||= Date.now();
      if (![0, 503].includes(error.status) || Date.now() - lost > PATIENCE_MS) throw error;
      onProgress(null);
    }
    await sleep(pause, signal);
  }
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
