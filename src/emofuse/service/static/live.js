/** The live session: the camera's pictures and the microphone's sound go out, moments come back. */
import { Refused, noToken, token } from "./api.js";

const WIDTH = 640; // of the pictures that are sent
const QUALITY = 0.8;
const MOST_WAITING = 262144; // bytes that may wait to be sent; beyond, pictures are left out
const MOST_AHEAD_S = 1; // of the pictures before the answers; beyond, they are stuck on the way, and would come too late
const PROBE_S = 0.5; // how often a picture is sent all the same
const ALIVE_MS = 10000; // how often the service is told that somebody is there
const SOUND_GAP_S = 0.25; // pieces of sound follow one another, unless one comes so much later
const PICTURE = 1; // the first byte of a message: what it holds
const SOUND = 2;

/** One session. It begins with `run` and is over when that returns; seconds count from then. */
export class Live {
  #ending = new AbortController();
  #began = performance.now();
  #paused = false;
  #skipped = 0; // pictures that were not sent
  #sent = 0; // time of the newest picture
  #answered = 0; // time of the newest moment
  #recording = null;
  #size = { width: 0, height: 0 }; // of the pictures that are sent; a phone that is turned changes it

  /**
   * @param {HTMLVideoElement} eye  shows the camera
   * @param {import("./live-view.js").LiveView} view
   */
  constructor(eye, view) {
    this.eye = eye;
    this.view = view;
  }

  /** Whether the session is being kept, to be saved at its end. */
  get isKept() {
    return this.#recording !== null;
  }

  /** Keep the pictures and the sound from now on, or let go of what was kept. */
  keep(isWanted) {
    this.#recording?.drop();
    this.#recording = isWanted && this.eye.srcObject ? new Recording(this.eye.srcObject) : null;
    if (this.#paused) this.#recording?.pause(true);
  }

  /** What was kept, once `run` has returned; null for nothing. */
  async saved() {
    return (await this.#recording?.file()) ?? null;
  }

  /** End the session: `run` returns. */
  stop() {
    this.#ending.abort();
  }

  /** Pause, or go on; returns whether it is paused. Nothing is sent meanwhile. */
  pause() {
    this.#paused = !this.#paused;
    if (this.#paused) this.eye.pause();
    else this.eye.play().catch(() => {}); // it is stopped meanwhile
    this.#recording?.pause(this.#paused);
    this.view.state(this.#paused ? "paused: nothing is sent" : "");
    return this.#paused;
  }

  /** Ask for the camera and the microphone, and run until stopped. Throws an error in words when it ends otherwise. */
  async run() {
    const { signal } = this.#ending;
    this.view.state("asking for the camera and the microphone");
    const stopped = new Promise((resolve) => signal.addEventListener("abort", () => resolve(null)));
    const asked = devices(this.view.chosen()).then((stream) => {
      if (signal.aborted) release(stream); // it was allowed after Stop
      return stream;
    });
    const stream = await Promise.race([asked, stopped]);
    if (!stream) {
      asked.catch(() => {}); // nobody waits for the answer any more
      return;
    }
    let ear = null;
    try {
      this.eye.srcObject = stream;
      this.view.film(stream.getVideoTracks().length > 0);
      this.view.offer(await navigator.mediaDevices.enumerateDevices(), stream);
      if (stream.getAudioTracks().length) {
        ear = new Ear();
        await Promise.race([ear.open(stream), stopped]);
      }
      if (stream.getVideoTracks().length) await Promise.race([this.eye.play(), stopped]);
      signal.throwIfAborted(); // what begins now ends by the signal's event alone
      await this.#talk(stream, ear);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#ending.abort();
      release(stream);
      ear?.close();
      this.eye.srcObject = null;
    }
  }

  /** Send and receive; resolves when stopped, rejects when the connection or a device is gone. */
  #talk(stream, ear) {
    const { signal } = this.#ending;
    const address = new URL("v1/live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.view.state("starting");
    return new Promise((resolve, reject) => {
      const alive = setInterval(() => tell(socket, { type: "alive" }), ALIVE_MS);
      signal.addEventListener("abort", () => {
        clearInterval(alive);
        socket.close();
        resolve();
      });
      for (const track of stream.getTracks()) {
        const device = track.kind === "video" ? "camera" : "microphone";
        const words = `the ${device} is gone: it was unplugged, or is not allowed any more`;
        track.addEventListener("ended", () => reject(new Error(words)));
      }
      socket.addEventListener("open", () => tell(socket, startOf(ear, this.view.wantsWords())));
      socket.addEventListener("close", () => reject(new Refused(0, "the connection to the service has ended")));
      socket.addEventListener("message", (event) => {
        const told = JSON.parse(event.data);
        if (told.type === "ready") {
          this.#began = performance.now();
          this.view.begin(told);
          this.#sendPictures(socket);
          ear?.start(this.#sendSound(socket, ear.rate));
        } else if (told.type === "moment") {
          this.#answered = told.moment.time_s;
          if (!this.#paused) this.view.show(told, { now: this.#now(), skipped: this.#skipped, ...this.#size });
        } else if (told.type === "line") {
          this.view.words(told.line.text);
        } else if (told.type === "error") {
          reject(told.error.code === "no_token" ? noToken() : new Refused(400, told.error.message));
        }
      });
    });
  }

  #now() {
    return (performance.now() - this.#began) / 1000;
  }

  /** Returns what takes a piece of sound and sends it, with the time that it began at. */
  #sendSound(socket, rate) {
    let end = -Infinity; // of the piece before
    return (samples) => {
      const length = samples.byteLength / 2 / rate;
      const heard = Math.max(0, this.#now() - length);
      const begin = heard - end > SOUND_GAP_S ? heard : Math.min(end, heard); // none is heard before it is there
      end = begin + length;
      if (!this.#paused) sendPacket(socket, SOUND, begin, samples);
    };
  }

  /** Send each picture that the camera shows, as long as the connection and the service keep up. */
  #sendPictures(socket) {
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d", { alpha: false });
    const { eye } = this;
    let isBusy = false;
    const send = () => {
      const time = this.#now();
      isBusy = true;
      this.#sent = time;
      const zoom = Math.min(1, WIDTH / eye.videoWidth);
      this.#size = { width: Math.round(eye.videoWidth * zoom), height: Math.round(eye.videoHeight * zoom) };
      Object.assign(canvas, this.#size);
      pen.drawImage(eye, 0, 0, canvas.width, canvas.height);
      const done = async (blob) => {
        if (blob) sendPacket(socket, PICTURE, time, await blob.arrayBuffer());
        isBusy = false;
      };
      canvas.toBlob(done, "image/jpeg", QUALITY);
    };
    const isStuck = () =>
      socket.bufferedAmount > MOST_WAITING ||
      (this.#sent - this.#answered > MOST_AHEAD_S && this.#now() - this.#sent < PROBE_S);
    const each = () => {
      if (this.#ending.signal.aborted) return;
      if (!this.#paused && eye.videoWidth) {
        if (isBusy || isStuck()) this.#skipped += 1;
        else send();
      }
      if (eye.requestVideoFrameCallback) eye.requestVideoFrameCallback(each);
      else setTimeout(each, 33);
    };
    each();
  }
}

function startOf(ear, wantsWords) {
  const sound = ear && { rate_hz: ear.rate, transcribe: wantsWords };
  return { type: "start", token: token(), mode: "frame", sound: Boolean(ear), ...sound };
}

function tell(socket, message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** Send a picture or sound: what it is, its time as a little-endian float64, and its bytes. */
function sendPacket(socket, kind, time, data) {
  if (socket.readyState !== WebSocket.OPEN) return;
  const packet = new Uint8Array(9 + data.byteLength);
  packet[0] = kind;
  new DataView(packet.buffer).setFloat64(1, time, true);
  packet.set(new Uint8Array(data), 9);
  socket.send(packet);
}

/** The pictures and the sound of a stream as a film, kept by this tab alone. */
class Recording {
  #pieces = [];
  #began = new Date();

  constructor(stream) {
    this.recorder = new MediaRecorder(stream);
    this.ended = new Promise((resolve) => this.recorder.addEventListener("stop", resolve, { once: true }));
    this.recorder.addEventListener("dataavailable", ({ data }) => this.#pieces.push(data));
    this.recorder.start(1000);
  }

  pause(isPaused) {
    if (this.recorder.state === "inactive") return;
    if (isPaused) this.recorder.pause();
    else this.recorder.resume();
  }

  drop() {
    if (this.recorder.state !== "inactive") this.recorder.stop();
  }

  /** End it. Resolves to a file, or null where nothing came. */
  async file() {
    this.drop();
    await this.ended;
    const type = this.recorder.mimeType.split(";")[0];
    if (!this.#pieces.some(({ size }) => size)) return null;
    const stamp = new Date(this.#began - 60000 * this.#began.getTimezoneOffset()).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
    return new File(this.#pieces, `live-${stamp}.${type.endsWith("mp4") ? "mp4" : "webm"}`, { type });
  }
}

/**
 * The camera and the microphone, or the one of them that there is.
 * @param {{camera: string, microphone: string}} chosen  ids; "" for any, "none" for none
 */
async function devices({ camera, microphone }) {
  if (!navigator.mediaDevices) throw new Error("browsers give the camera to secure pages alone: use https, or localhost");
  const of = (id) => (id && { deviceId: { ideal: id } }) || {};
  const video = { width: { ideal: WIDTH }, height: { ideal: 480 }, frameRate: { ideal: 30 }, ...of(camera) };
  const audio = { echoCancellation: true, noiseSuppression: false, autoGainControl: false, ...of(microphone) };
  let refused = null;
  const tries = [{ video, audio }, { video }, { audio }].filter(
    (wanted) => !(wanted.video && camera === "none") && !(wanted.audio && microphone === "none"),
  );
  if (!tries.length) throw new Error("neither a camera nor a microphone is chosen");
  for (const wanted of tries) {
    try {
      return await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      refused ??= error; // of both, which says most
    }
  }
  const isForbidden = refused.name === "NotAllowedError";
  const why = isForbidden ? "they are not allowed; the browser's settings for this page say so" : refused.message;
  throw new Error(`no camera and no microphone can be used: ${why}`);
}

function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** The sound of a stream, as 16-bit samples in small pieces. It is to be closed, however far it was opened. */
class Ear {
  #context = new AudioContext();
  #node = null;

  get rate() {
    return this.#context.sampleRate;
  }

  async open(stream) {
    await this.#context.audioWorklet.addModule("static/pcm-worklet.js");
    this.#node = new AudioWorkletNode(this.#context, "pcm", { numberOfOutputs: 0 });
    this.#node.port.onmessage = () => {}; // what is heard before the service is ready would wait, and be late
    this.#context.createMediaStreamSource(stream).connect(this.#node);
    await this.#context.resume();
  }

  /** Give each piece that is heard from now on to `take`. */
  start(take) {
    this.#node.port.onmessage = (event) => take(event.data);
  }

  close() {
    this.#context.close();
  }
}
