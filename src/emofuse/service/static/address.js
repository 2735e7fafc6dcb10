/** The analysis that the page's address names, in its fragment: browsers send that to nobody. */

const KEY = "analysis";

/** What the address names, or null where it names nothing. */
function named() {
  return new URLSearchParams(location.hash.slice(1)).get(KEY);
}

/** Whether the address names an analysis, be it one that cannot be. */
export function namesAny() {
  return named() !== null;
}

/** The id in the address, "" where there is none or what is there cannot be one. */
export function idInAddress() {
  const id = named() ?? "";
  return /^[\w-]{1,64}$/.test(id) ? id : ""; // it becomes part of a request's path
}

/** Put an id into the address, or "" for none; the back button leads to what was there before. */
export function goTo(id) {
  const url = urlOf(id);
  if (url !== urlOf(named())) history.pushState(null, "", url);
}

/** As goTo, in the place of what was there, which is no more. */
export function replaceBy(id) {
  history.replaceState(null, "", urlOf(id));
}

function urlOf(id) {
  return location.pathname + location.search + (id ? `#${KEY}=${id}` : "");
}
