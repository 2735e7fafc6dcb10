/** The page over many recordings: its table is sorted by a click on a column's name, and filtered. */

const table = document.querySelector(".index");
const rows = [...table.tBodies[0].rows];
const count = document.getElementById("count");

/** Sort by what the cells of a column hold in `data-key`, numbers as numbers. */
function sortBy(column, isDown) {
  const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
  const isNumber = rows.every((row) => key(row) === "" || Number.isFinite(Number(key(row))));
  const order = (a, b) => (isNumber ? Number(key(a) || -1) - Number(key(b) || -1) : key(a).localeCompare(key(b)));
  rows.sort((a, b) => (isDown ? -order(a, b) : order(a, b)));
  table.tBodies[0].append(...rows);
}

table.tHead.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const cell = button.parentElement;
  const isDown = cell.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  cell.setAttribute("aria-sort", isDown ? "descending" : "ascending");
  sortBy(cell.cellIndex, isDown);
});

function filter() {
  const words = document.getElementById("words").value.trim().toLowerCase();
  const label = document.getElementById("label").value;
  let n = 0;
  for (const row of rows) {
    const isShown = row.textContent.toLowerCase().includes(words) && (!label || row.dataset.label === label);
    row.hidden = !isShown;
    n += isShown;
  }
  count.textContent = n === rows.length ? `${n} shown` : `${n} of ${rows.length} shown`;
}

document.querySelector(".filter").addEventListener("input", filter);
document.querySelector(".filter").hidden = false;
for (const cell of table.tHead.rows[0].cells) {
  if (cell.dataset.sorts === undefined) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = cell.textContent;
  cell.replaceChildren(button);
}
filter();
