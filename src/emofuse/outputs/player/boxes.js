/** Drawing faces over a film. */
import { best, colourOf, facesAt, inkOn, percent, whoIs } from "./document.js";

/**
 * Draw the faces of a time on a canvas that covers the film.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLVideoElement} video  shown whole and centred in its element (object-fit: contain)
 * @param {object} doc
 * @param {number} time  seconds
 * @param {boolean} isMirrored  whether the film is shown as in a mirror
 * @returns {number} how many were drawn
 */
export function drawFaces(canvas, video, doc, time, isMirrored = false) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [video.clientWidth, video.clientHeight];
  const [right, bottom] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== right || canvas.height !== bottom) [canvas.width, canvas.height] = [right, bottom];
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  if (!doc.source.width || !doc.source.height || !video.videoWidth) return 0;
  // The picture keeps the shape that the player gives it; boxes are in the pixels of the recording.
  const zoom = Math.min(width / video.videoWidth, height / video.videoHeight);
  const shown = { width: video.videoWidth * zoom, height: video.videoHeight * zoom };
  const left = (width - shown.width) / 2;
  const top = (height - shown.height) / 2;
  const x = (pixels) => left + (isMirrored ? 1 - pixels / doc.source.width : pixels / doc.source.width) * shown.width;
  const y = (pixels) => top + (pixels / doc.source.height) * shown.height;
  const place = ([x0, y0, x1, y1]) => [x(isMirrored ? x1 : x0), y(y0), x(isMirrored ? x0 : x1), y(y1)];
  const faces = facesAt(doc.moments, time);
  for (const face of faces) drawFace(pen, face, titleOf(doc, face), place(face.box_xyxy), width, height);
  return faces.length;
}

/** What to call a face: the person's name or number, as on the annotated film; "" for nobody known. */
function titleOf(doc, face) {
  const id = whoIs(doc, face);
  if (id === null) return "";
  return doc.people?.find((person) => person.id === id)?.name || `#${id}`;
}

function drawFace(pen, face, title, [x0, y0, x1, y1], width, height) {
  const said = best(face.probabilities);
  const colour = said ? colourOf(said.label) : "#dddddd";
  // A dark edge shows the frame on any picture.
  for (const [style, line] of [["#181818", 5], [colour, 3]]) {
    pen.strokeStyle = style;
    pen.lineWidth = line;
    pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
  const words = [title, said ? `${said.label} ${percent(said.p)}` : ""];
  const text = words.filter(Boolean).join("  ");
  if (!text) return;
  pen.font = "600 14px system-ui, sans-serif";
  const [tagWidth, tagHeight] = [pen.measureText(text).width + 12, 22];
  const left = Math.min(Math.max(x0 - 1, 0), Math.max(width - tagWidth, 0));
  const above = y0 - tagHeight - 2;
  const top = above >= 0 ? above : Math.min(y1 + 2, height - tagHeight);
  pen.fillStyle = colour;
  pen.fillRect(left, top, tagWidth, tagHeight);
  pen.fillStyle = inkOn(colour);
  pen.textBaseline = "middle";
  pen.fillText(text, left + 6, top + tagHeight / 2 + 0.5);
}
