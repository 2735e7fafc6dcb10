/** Who is in the recording: faces, names, what each shows and for how long; and changes of who is who. */
import { best, clock, colourOf, peopleOf, percent } from "./document.js";
import { patternOf } from "./lanes.js";
import { make, swatch } from "./parts.js";

const FOLDED = 10; // people beyond it are shown when they are asked for
const LEAST_WEIGHT = 1e-3; // of somebody who was hardly seen, in a mean over people

/**
 * The people as a list of one section, which is empty where there is nobody.
 * @param {object} doc
 * @param {{edit: ((change: object) => Promise<void>)|null, command: string, file: string}} editing  edit: takes
 *   {names: {id: name}} or {merge: [[id, id]]}; null where nothing can be changed. command: that makes the changes so far
 *   in the files, or ""; file: the name under which `doc` can be saved, "" where it is not all that there is
 */
export function peoplePart(doc, { edit = null, command = "", file = "" } = {}) {
  const people = peopleOf(doc);
  if (!people.length) return [];
  const known = new Map((doc.people ?? []).map((person) => [person.id, person]));
  const canEdit = known.size > 0 && edit !== null;
  const cards = people.map((person) => personCard(doc, person, known, canEdit ? edit : null));
  const list = make("ul", { class: "ef-people" }, ...cards.slice(0, FOLDED));
  const rest = cards.slice(FOLDED);
  const folded = rest.length
    ? [
        make(
          "details",
          {},
          make("summary", {}, `and ${rest.length} more, seen more briefly`),
          make("ul", { class: "ef-people" }, ...rest),
        ),
      ]
    : [];
  const told = command ? [commandPart(command, ...(file ? [savePart(doc, file)] : []))] : [];
  return [make("section", { "aria-label": "People" }, make("h2", {}, "People"), list, ...folded, ...told)];
}

function personCard(doc, person, known, edit) {
  const said = best(person.mean);
  const own = known.get(person.id);
  const spoke = own?.spoke?.length ? `, speaks for ${lasting(secondsOf(own.spoke))}` : "";
  const picture = own?.thumbnail?.startsWith("data:image/jpeg;base64,")
    ? make("img", { src: own.thumbnail, alt: "", width: "56", height: "56" })
    : make("span", { class: "ef-nobody", "aria-hidden": "true" }, String(person.id));
  return make(
    "li",
    {},
    picture,
    make(
      "div",
      {},
      make("p", { class: "ef-who" }, make("strong", {}, person.name)),
      ...shareBar(doc, own?.share_of_time ?? {}, person.name),
      make(
        "p",
        { class: "ef-hint" },
        swatch(doc.labels, said.label),
        `mostly ${said.label} (${percent(said.p)} mean while seen), ${clock(person.from, 1)} – ${clock(person.to, 1)}${spoke}`,
      ),
      ...(edit ? [editPart(doc, person, known, edit)] : []),
    ),
  );
}

function secondsOf(stretches) {
  return stretches.reduce((sum, [from, to]) => sum + to - from, 0);
}

/** How long something lasts: "1.5 s", or "2:30" from a minute on. */
function lasting(seconds) {
  return seconds < 59.95 ? `${seconds.toFixed(1)} s` : clock(seconds);
}

/** The share of time of each label, as one bar. */
function shareBar(doc, shares, name) {
  const found = Object.entries(shares).filter(([, seconds]) => seconds > 0);
  const whole = found.reduce((sum, [, seconds]) => sum + seconds, 0);
  if (!whole) return [];
  const words = found.map(([label, seconds]) => `${label} ${percent(seconds / whole)}`).join(", ");
  const bar = make("div", { class: "ef-shares", role: "img", "aria-label": `Share of time, ${name}: ${words}`, title: words });
  for (const [label, seconds] of found) {
    const part = make("span", { class: `ef-pattern-${patternOf(doc.labels, label)}` });
    part.style.backgroundColor = colourOf(label);
    part.style.width = `${(100 * seconds) / whole}%`;
    bar.append(part);
  }
  return [bar];
}

/** A form that renames somebody, or says that two are one. */
function editPart(doc, person, known, edit) {
  const field = make("input", { type: "text", "aria-label": `Name of ${person.name}`, maxlength: "100" });
  field.value = known.get(person.id)?.name ?? "";
  const others = [...known.values()].filter(({ id }) => id !== person.id);
  const choice = make("select", { "aria-label": `${person.name} is the same as` }, make("option", { value: "" }, "the same as …"));
  for (const { id, name } of others) choice.append(make("option", { value: String(id) }, name ?? `person ${id}`));
  const form = make("form", { class: "ef-edit" }, field, make("button", {}, "Name"), ...(others.length ? [choice] : []));
  const problem = make("p", { class: "ef-hint", role: "alert" });
  const send = async (change) => {
    for (const element of form.elements) element.disabled = true;
    try {
      await edit(change);
    } catch (error) {
      problem.textContent = error.message;
      for (const element of form.elements) element.disabled = false;
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send({ names: { [person.id]: field.value.trim() } });
  });
  choice.addEventListener("change", () => choice.value && send({ merge: [[person.id, Number(choice.value)]] }));
  return make(
    "details",
    { class: "ef-change" },
    make("summary", { "aria-label": `Change ${person.name}` }, "Change"),
    form,
    problem,
  );
}

/** The command that makes the same changes in the files, to be copied, and what else keeps them. */
function commandPart(command, ...others) {
  const text = make("code", {}, command);
  const button = make("button", { type: "button" }, "Copy");
  const done = make("span", { role: "status" });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
    } catch {
      getSelection().selectAllChildren(text); // a page from disk may not be allowed to
      document.execCommand("copy");
    }
    done.textContent = " Copied";
  });
  return make(
    "div",
    { class: "ef-command" },
    make("p", {}, "These changes are in this view alone. To keep them, run:"),
    make("pre", { tabindex: "0" }, text),
    button,
    ...others,
    done,
  );
}

/** A button that saves the document as a file of that name. */
function savePart(doc, file) {
  const button = make("button", { type: "button" }, "Save the changed JSON");
  button.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([`${JSON.stringify(doc)}\n`], { type: "application/json" }));
    make("a", { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // not before the browser has read it
  });
  return button;
}

/** What was changed so far, of a document as it was read. */
export class PeopleChanges {
  #groups = []; // sets of ids that are one
  #names = new Map();

  constructor(doc) {
    this.doc = doc;
  }

  /** Take a change. Returns the document with all of them. */
  take({ names = {}, merge = [] }) {
    for (const ids of merge) {
      const touched = this.#groups.filter((group) => ids.some((id) => group.has(id)));
      const joined = new Set([...ids, ...touched.flatMap((group) => [...group])]);
      this.#groups = [...this.#groups.filter((group) => !touched.includes(group)), joined];
      const kept = Math.min(...joined);
      const named = [...joined].sort((a, b) => a - b).find((id) => this.#names.get(id));
      const name = this.#names.get(named);
      for (const id of joined) this.#names.delete(id);
      if (name) this.#names.set(kept, name);
    }
    for (const [id, name] of Object.entries(names)) this.#names.set(Number(id), name);
    return this.#changed();
  }

  /** The command that does the same to a file of results. */
  command(file) {
    const merges = this.#groups.map((group) => `--merge ${[...group].sort((a, b) => a - b).join(",")}`);
    const names = [...this.#names].map(([id, name]) => `--name ${quoted(`${id}=${name}`)}`);
    return ["emofuse people", quoted(file), ...merges, ...names, "--formats html"].join(" ");
  }

  #changed() {
    const { doc } = this;
    const to = new Map();
    for (const group of this.#groups) for (const id of group) to.set(id, Math.min(...group));
    const now = (id) => to.get(id) ?? id;
    const all = (ids) => ids && [...new Set(ids.map(now))].sort((a, b) => a - b);
    const members = new Map();
    for (const person of doc.people) members.set(now(person.id), [...(members.get(now(person.id)) ?? []), person]);
    const people = new Map([...members].map(([id, own]) => [id, own.length > 1 ? joinedPeople(id, own) : own[0]]));
    for (const [id, name] of this.#names) if (people.has(id)) people.set(id, { ...people.get(id), name: name || null });
    if (!to.size) return { ...doc, people: [...people.values()] };
    const moments = doc.moments.map((moment) => ({
      ...moment,
      speaker_id: moment.speaker_id && now(moment.speaker_id),
      faces: moment.faces.map((face) => ({ ...face, person_id: face.person_id && now(face.person_id) })),
    }));
    const lines = doc.lines?.map((line) => ({ ...line, person_id: line.person_id && now(line.person_id) }));
    const segments = doc.segments.map((one) => ({ ...one, people: all(one.people), speakers: all(one.speakers) }));
    return { ...doc, people: [...people.values()], moments, segments, ...(lines && { lines }) };
  }
}

/** Several people as one, as `emofuse people` joins them. */
function joinedPeople(id, people) {
  const shares = {};
  for (const { share_of_time } of people)
    for (const [label, seconds] of Object.entries(share_of_time)) shares[label] = rounded((shares[label] ?? 0) + seconds, 3);
  const longest = people.reduce((a, b) => (secondsOf(b.seen) > secondsOf(a.seen) ? b : a));
  const { thumbnail, ...rest } = { ...people[0], thumbnail: longest.thumbnail };
  const spoke = people.filter((person) => person.spoke).flatMap((person) => person.spoke);
  const mean = (of) => meanOf(people.map((person) => [of(person.summary), secondsOf(person.seen)]));
  const modalities = new Set(people.flatMap((person) => Object.keys(person.summary.by_modality)));
  const probabilities = mean((summary) => summary.probabilities);
  return {
    ...rest,
    id,
    name: people.find((person) => person.name)?.name ?? null,
    ...(thumbnail && { thumbnail }),
    seen: joinedStretches(people.flatMap((person) => person.seen)),
    spoke: people.every((person) => person.spoke === null) ? null : joinedStretches(spoke),
    share_of_time: Object.fromEntries(Object.entries(shares).sort((a, b) => b[1] - a[1])),
    summary: {
      label: probabilities && best(probabilities).label,
      probabilities,
      by_modality: Object.fromEntries([...modalities].map((one) => [one, mean((summary) => summary.by_modality[one])])),
    },
  };
}

/** The mean of probabilities, each weighed by its seconds; null where there are none. */
function meanOf(weighed) {
  const found = weighed.filter(([probabilities]) => probabilities).map(([p, seconds]) => [p, Math.max(seconds, LEAST_WEIGHT)]);
  if (!found.length) return null;
  const whole = found.reduce((sum, [, weight]) => sum + weight, 0);
  const of = (label) => found.reduce((sum, [p, weight]) => sum + p[label] * weight, 0) / whole;
  return Object.fromEntries(Object.keys(found[0][0]).map((label) => [label, rounded(of(label), 4)]));
}

/** Stretches in the order of time, those that overlap or touch as one. */
function joinedStretches(stretches) {
  const joined = [];
  for (const [from, to] of [...stretches].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

function rounded(value, digits) {
  return Number(value.toFixed(digits));
}

/** A word of a command, as a shell reads it. */
function quoted(text) {
  return /^[\w./=@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
