/** The live view: the camera's pictures and the microphone's sound go out, moments come back and are drawn. */
import { token } from "./api.js";
import { drawFaces } from "./player/boxes.js";
import { best, colourOf, percent } from "./player/document.js";
import { make, swatch } from "./player/parts.js";

const WIDTH = 640; // of the pictures that are sent
const QUALITY = 0.8;
const MOST_WAITING = 262144; // bytes that may wait to be sent; beyond, pictures are left out
const CHART_S = 30;
const PICTURE = 1; // the first byte of a message: what it holds
const SOUND = 2;

/**
 * Ask for the camera and the microphone, and run until stopped.
 * @param {(id: string) => HTMLElement} $
 * @param {(error: Error|null) => void} onEnd  the connection ended, or the camera is gone
 * @returns {Promise<{stop: () => void, pause: () => boolean}>}
 */
export async function startLive($, onEnd) {
  if (!navigator.mediaDevices) throw new Error("this browser gives the camera to secure pages alone: use https, or localhost");
  const stream = await devices();
  const eye = $("eye");
  eye.srcObject = stream;
  const hasPicture = stream.getVideoTracks().length > 0;
  const ear = stream.getAudioTracks().length > 0 ? await listen(stream) : null;
  if (hasPicture) await eye.play();
  const view = new View($);
  const address = new URL("v1/live", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  let [ended, paused, skipped] = [false, false, 0];
  const begin = performance.now();
  const now = () => (performance.now() - begin) / 1000;

  const stop = () => {
    if (ended) return;
    ended = true;
    for (const track of stream.getTracks()) track.stop();
    ear?.close();
    eye.srcObject = null;
    if (socket.readyState <= 1) socket.close(1000);
  };
  const fail = (words) => {
    if (ended) return;
    stop();
    onEnd(words ? new Error(words) : null);
  };
  for (const track of stream.getTracks()) track.addEventListener("ended", () => fail("the camera or the microphone is gone"));
  socket.addEventListener("open", () => {
    socket.send(JSON.stringify({ type: "start", token: token(), mode: "frame", rate_hz: ear?.rate ?? 16000, sound: Boolean(ear) }));
  });
  socket.addEventListener("close", (event) => fail(event.reason || "the connection to the service ended"));
  socket.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    if (told.type === "ready") {
      view.begin(told.labels);
      if (hasPicture) sendPictures();
      ear?.start((pcm) => !paused && sendPacket(SOUND, now() - pcm.byteLength / 2 / ear.rate, pcm));
    } else if (told.type === "moment") {
      view.show(told, now(), skipped, paused);
    } else if (told.type === "error") {
      fail(told.error.message);
    }
  });

  function sendPacket(kind, time, data) {
    if (socket.readyState !== WebSocket.OPEN) return;
    const packet = new Uint8Array(9 + data.byteLength);
    packet[0] = kind;
    new DataView(packet.buffer).setFloat64(1, Math.max(time, 0), true);
    packet.set(new Uint8Array(data), 9);
    socket.send(packet);
  }

  /** Send a picture for each that the camera shows, as long as the connection keeps up. */
  function sendPictures() {
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d", { alpha: false });
    let busy = false;
    const each = () => {
      if (ended) return;
      if (!paused && !busy && eye.videoWidth) {
        if (socket.bufferedAmount > MOST_WAITING) skipped += 1;
        else {
          busy = true;
          const time = now();
          const zoom = Math.min(1, WIDTH / eye.videoWidth);
          [canvas.width, canvas.height] = [Math.round(eye.videoWidth * zoom), Math.round(eye.videoHeight * zoom)];
          pen.drawImage(eye, 0, 0, canvas.width, canvas.height);
          canvas.toBlob(
            async (blob) => {
              if (blob) sendPacket(PICTURE, time, await blob.arrayBuffer());
              busy = false;
            },
            "image/jpeg",
            QUALITY,
          );
        }
      }
      if (eye.requestVideoFrameCallback) eye.requestVideoFrameCallback(each);
      else setTimeout(each, 33);
    };
    each();
  }

  return {
    stop,
    pause: () => {
      paused = !paused;
      return paused;
    },
  };
}

/** The camera and the microphone, or the one of them that there is. */
async function devices() {
  const picture = { width: { ideal: WIDTH }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
  const sound = { echoCancellation: true, noiseSuppression: false, autoGainControl: false };
  let refused = null;
  for (const wanted of [{ video: picture, audio: sound }, { video: picture }, { audio: sound }]) {
    try {
      return await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      refused = error;
    }
  }
  throw new Error(`no camera and no microphone can be used: ${refused.message}`);
}

/** Sound of a stream as 16-bit samples, in pieces of about 0.1 s. */
async function listen(stream) {
  const context = new AudioContext();
  await context.audioWorklet.addModule("static/pcm-worklet.js");
  const node = new AudioWorkletNode(context, "pcm", { numberOfOutputs: 0 });
  context.createMediaStreamSource(stream).connect(node);
  await context.resume();
  return {
    rate: context.sampleRate,
    start: (onPcm) => {
      node.port.onmessage = (event) => onPcm(event.data);
    },
    close: () => context.close(),
  };
}

/** What is drawn of the moments: boxes, bars, the rolling chart, and the numbers. */
class View {
  constructor($) {
    this.$ = $;
    this.labels = [];
    this.past = []; // {time, p: [probability of each label]} of the last CHART_S
    this.bars = new Map();
    this.n = 0;
  }

  begin(labels) {
    this.labels = labels;
    const rows = labels.map((label) => {
      const bar = make("span", { class: "ef-bar" });
      bar.style.backgroundColor = colourOf(label);
      const number = make("span", { class: "ef-number" });
      this.bars.set(label, { bar, number });
      return make("li", {}, make("span", { class: "ef-name" }, label), make("span", { class: "ef-rail" }, bar), number);
    });
    this.$("live-bars").replaceChildren(...rows);
    this.$("live-legend").replaceChildren(...labels.map((label) => make("li", {}, swatch(labels, label), label)));
  }

  show(told, now, skipped, paused) {
    if (paused) return;
    const { moment, stats } = told;
    this.n += 1;
    const fused = moment.probabilities;
    const said = best(fused);
    const words = said ? `${said.label} ${percent(said.p)}` : "no answer";
    if (this.$("live-label").textContent !== words) this.$("live-label").textContent = words;
    for (const [name, { bar, number }] of this.bars) {
      const p = fused?.[name] ?? 0;
      bar.style.width = `${100 * p}%`;
      number.textContent = fused ? percent(p) : "";
    }
    const why = Object.entries(moment.why ?? {}).map(([modality, reason]) => `${modality}: ${reason}`);
    const used = Object.keys(moment.by_modality).filter((modality) => moment.by_modality[modality]);
    this.$("live-why").textContent = [`used: ${used.join(" + ") || "nothing"}`, ...why].join("; ");
    const eye = this.$("eye");
    const doc = { source: { width: stats.width, height: stats.height }, moments: [{ ...moment, time_s: 0 }] };
    drawFaces(this.$("boxes"), eye, doc, 0);
    this.past.push({ time: now, p: fused && this.labels.map((name) => fused[name]) });
    while (this.past[0].time < now - CHART_S) this.past.shift();
    this.chart(now);
    const delay = Math.round(1000 * (now - moment.time_s));
    const numbers = this.$("live-numbers");
    numbers.textContent =
      `delay ${delay} ms; ${stats.moments_per_s.toFixed(0)} moments a second; pictures dropped: ${stats.dropped} by the ` +
      `service, ${skipped} here`;
    numbers.dataset.moments = String(this.n);
  }

  chart(now) {
    const canvas = this.$("chart");
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.strokeStyle = "rgba(128,128,128,0.5)";
    pen.strokeRect(0.5, 0.5, width - 1, height - 1);
    const x = (time) => width * (1 - (now - time) / CHART_S);
    this.labels.forEach((label, i) => {
      pen.strokeStyle = colourOf(label);
      pen.lineWidth = 2;
      pen.beginPath();
      let down = false;
      for (const { time, p } of this.past) {
        if (p) pen[down ? "lineTo" : "moveTo"](x(time), (height - 4) * (1 - p[i]) + 2);
        down = Boolean(p);
      }
      pen.stroke();
    });
  }
}
