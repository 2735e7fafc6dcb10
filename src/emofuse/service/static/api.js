/** Talking to the service: requests with the token where one is wanted, and refusals as errors that people can read. */

const KEY = "emofuse-token";

/** A refusal of the service. status: 401 where the token is missing or wrong. */
export class Refused extends Error {
  constructor(status, message, retryS) {
    super(message);
    this.status = status;
    this.retryS = retryS;
  }
}

/** The token of this tab, or "". */
export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Keep a token as long as the tab is open. */
export function keepToken(text) {
  sessionStorage.setItem(KEY, text);
}

function authorisation() {
  return token() ? { authorization: `Bearer ${token()}` } : {};
}

/** Ask for something below /v1. Returns the Response; throws Refused. */
export async function ask(path, options = {}) {
  const response = await fetch(`v1/${path}`, { ...options, headers: { ...options.headers, ...authorisation() } });
  if (!response.ok) throw await refusalOf(response.status, await response.text(), response.headers.get("retry-after"));
  return response;
}

function refusalOf(status, body, retryAfter) {
  let message = `the service answered ${status}`;
  try {
    message = JSON.parse(body).error.message;
  } catch {
    // not one of the service's own answers: its number must do
  }
  const retryS = retryAfter ? Number(retryAfter) : null;
  return new Refused(status, retryS ? `${message} (in about ${retryS} s)` : message, retryS);
}

/**
 * Send a recording; fetch cannot tell how much of a body is sent, XMLHttpRequest can.
 * @param {File} file
 * @param {(share: number) => void} onProgress  of 1
 * @param {AbortSignal} signal
 * @returns {Promise<object>}  the analysis, as the service describes it
 */
export function send(file, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `v1/analyses?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    for (const [name, value] of Object.entries(authorisation())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => onProgress(event.total ? event.loaded / event.total : 0));
    request.addEventListener("load", () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else reject(refusalOf(request.status, request.responseText, request.getResponseHeader("retry-after")));
    });
    request.addEventListener("error", () => reject(new Refused(0, "the service cannot be reached, or hung up", null)));
    request.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** Wait until an analysis has ended; returns how it is described then. Throws Refused where it failed. */
export async function follow(id, onProgress, signal) {
  for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 1.3, 2000)) {
    const analysis = await (await ask(`analyses/${id}`, { signal })).json();
    if (analysis.state === "done") return analysis;
    if (analysis.state === "failed") throw new Refused(409, analysis.error.message, null);
    onProgress(analysis);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    signal.throwIfAborted();
  }
}
