/**
 * The player: a film with faces drawn over it, the timeline beneath, and what it adds up to. It needs nothing else,
 * asks nothing of any host, and runs under a policy without inline script or style.
 */
import { lengthOf, momentAt } from "./document.js";
import { interestPart, modalitiesPart, make, nowPart, segmentsPart, summaryPart } from "./parts.js";
import { PeopleChanges, peoplePart } from "./people.js";
import { stagePart } from "./stage.js";
import { timelinePart } from "./timeline.js";
import { transcriptPart } from "./transcript.js";

/**
 * Build the player at the end of an element, which gets the class `ef`.
 *
 * @param {HTMLElement} root
 * @param {object} doc  an `emofuse/2` document
 * @param {{media?: HTMLMediaElement|null, boxes?: boolean, hint?: string, json?: string, isWhole?: boolean, savePeople?: Function}} options  media: what plays, which is moved
 *   into the player, and without a `src` is asked for; none is a timeline that is only looked at. boxes: false where the film has them in its pictures
 *   already; else they are drawn over it. hint: what else a person can do where the media does not play. json: the file of
 *   the document, for a command that changes who is who. isWhole: whether `doc` is all of it, so that it can be saved with the changes. savePeople: takes such a change, and resolves to the document
 *   with it; without, it is shown and not kept
 * @returns {{seek: (seconds: number) => void, time: () => number, destroy: () => void}}
 */
export function createPlayer(root, doc, { json = "", isWhole = false, savePeople = null, ...options } = {}) {
  const changes = doc.people?.length ? new PeopleChanges(doc) : null;
  const canEdit = changes && (savePeople || json);
  const edit = async (change) => {
    const next = savePeople ? await savePeople(change) : changes.take(change);
    const time = player.time();
    player.destroy();
    const kept = savePeople ? {} : { command: changes.command(json), file: isWhole ? json : "" };
    player = build(root, next, options, { edit, ...kept });
    player.seek(time);
    root.querySelector("[aria-label='People']")?.scrollIntoView({ block: "nearest" });
  };
  let player = build(root, doc, options, canEdit ? { edit } : {});
  return { seek: (seconds) => player.seek(seconds), time: () => player.time(), destroy: () => player.destroy() };
}

function build(root, doc, { media = null, boxes = true, hint = "" }, editing) {
  const length = lengthOf(doc);
  let position = 0;
  const seek = (seconds) => {
    position = Math.min(Math.max(seconds, 0), length);
    playback?.seek(position);
    show();
  };
  const now = nowPart(doc);
  const segments = segmentsPart(doc, seek);
  const stage = media && stagePart(doc, media, { boxes, hint }, () => show());
  const controls = { seek, toggle: () => playback?.toggle(), time: () => position };
  const timeline = timelinePart(doc, length, controls, segments.filter);
  const transcript = transcriptPart(doc, seek);
  const parts = [
    summaryPart(doc),
    make("div", { class: "ef-top" }, ...(stage ? [stage.element] : []), now.element),
    timeline.element,
    ...transcript.elements,
    make("div", { class: "ef-below" }, segments.element, make("div", {}, ...interestPart(doc, seek), modalitiesPart(doc), ...peoplePart(doc, editing))),
  ];
  root.classList.add("ef");
  root.append(...parts);

  /** Bring everything to the time of playback. */
  function show() {
    const moment = momentAt(doc.moments, position);
    now.show(moment, position);
    segments.show(position);
    transcript.show(position);
    timeline.show(position, moment);
    stage?.show(position);
  }
  const follow = () => {
    position = Math.min(media.currentTime, length);
    show();
  };
  const ending = new AbortController();
  const playback = media && followMedia(media, stage, { follow, time: () => position }, ending.signal);
  const redraw = () => {
    timeline.draw();
    stage?.show(position);
  };
  const sizes = new ResizeObserver(redraw);
  sizes.observe(timeline.element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw, { signal: ending.signal });
  show();

  const destroy = () => {
    ending.abort();
    sizes.disconnect();
    for (const part of parts) part.remove();
  };
  return { seek, time: () => position, destroy };
}

/** Tie the player to its media: `follow` is called when the time has changed, at every picture while it plays. */
function followMedia(media, stage, { follow, time }, signal) {
  let isPlayable = media.hasAttribute("src") && !media.error;
  let frame = 0;
  const tick = () => {
    follow();
    frame = media.paused || media.ended || signal.aborted ? 0 : requestAnimationFrame(tick);
  };
  const on = (names, act) => names.split(" ").forEach((name) => media.addEventListener(name, act, { signal }));
  on("play", () => {
    if (!frame) tick();
  });
  on("seeking seeked timeupdate loadeddata resize", () => {
    if (isPlayable && media.readyState > 0) follow();
  });
  on("error", () => {
    isPlayable = false;
    stage.fail();
  });
  on("loadedmetadata", () => {
    isPlayable = true;
    stage.recover();
    if (time() > 0) media.currentTime = time(); // chosen before the film was there
  });
  if (!isPlayable) stage.fail();
  return {
    seek: (seconds) => {
      if (isPlayable) media.currentTime = seconds;
    },
    toggle: () => {
      if (!isPlayable) return;
      if (media.paused) media.play().catch(() => {}); // the error event says what is wrong
      else media.pause();
    },
  };
}
