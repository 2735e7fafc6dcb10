/** Turns the sound of the microphone into 16-bit samples, mono, and posts them in pieces of PIECE. */
const PIECE = 2048; // samples: 43 ms at 48 kHz

class Pcm extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
  }

  process([channels]) {
    const n = channels[0]?.length ?? 0;
    for (let i = 0; i < n; i += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      const value = Math.max(-1, Math.min(1, sum / channels.length));
      this.piece[this.filled] = Math.round(value * 32767);
      this.filled += 1;
      if (this.filled === PIECE) {
        this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
        this.piece = new Int16Array(PIECE);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("pcm", Pcm);
