"use strict";
// Pages, searches and filters the rows that were not updated, and opens links to rows. Without this
// script, the first rows are shown.
(() => {
  const byId = (id) => document.getElementById(id);
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const written = (number) => number.toLocaleString("en");
  const perPage = matchMedia("(max-width: 46rem)").matches ? 25 : 100; // a phone can be scrolled to its end
  const rows = JSON.parse(byId("entries").textContent);
  const total = byId("reach") ? `the first ${written(rows.length)} rows` : `${written(rows.length)} ${rows.length === 1 ? "row" : "rows"}`;
  const pattern = byId("pattern").content.firstElementChild;
  const [table, search, reason, statuses] = ["table", "search", "reason", "statuses"].map(byId);
  let chosen = rows;
  let page = 0;

  // Every second part of a sentence is quoted text with its own direction.
  const bdi = (part) => Object.assign(document.createElement("bdi"), { textContent: part });
  const fill = (element, value) => {
    const parts = [].concat(value).map((part, place) => (place % 2 ? bdi(part) : String(part)));
    element.replaceChildren(...parts.filter((part) => part !== ""));
  };

  const drawn = (row) => {
    const made = pattern.cloneNode(true);
    made.id = `row-${row.row}`;
    made.querySelector("th a").href = `#${made.id}`;
    made.querySelector(".chip").className = `chip ${row.status}`;
    made.querySelector("use").setAttribute("href", `#${row.status}`);
    made.querySelector(".copy").hidden = false;
    made.querySelectorAll("dd bdi").forEach((cell, place) => { cell.textContent = row.cells[place]; });
    for (const slot of made.querySelectorAll("[data-is]")) fill(slot, row[slot.dataset.is]);
    return made;
  };

  const show = () => {
    const from = page * perPage;
    const shown = chosen.slice(from, from + perPage);
    table.tBodies[0].replaceChildren(...shown.map(drawn));
    byId("pager").hidden = chosen.length <= perPage;
    byId("range").textContent = `Showing ${written(from + 1)}–${written(from + shown.length)} of ${written(chosen.length)}`;
    byId("previous").disabled = !page;
    byId("next").disabled = from + perPage >= chosen.length;
  };

  const codesOf = (row) => row.codes.split("; ");
  const textOf = ({ error, warning, ...rest }) =>
    fold([error.join(""), warning.join(""), ...Object.values(rest).flat()].join("\n"));

  const choose = () => {
    const words = fold(search.value).split(/\s+/).filter(Boolean);
    const status = statuses.querySelector(":checked").value;
    const has = (row, word) => (row.text ??= textOf(row)).includes(word); // computed when first needed
    chosen = rows.filter((row) => (!status || row.status === status)
      && (!reason.value || codesOf(row).includes(reason.value))
      && words.every((word) => has(row, word)));
    page = 0;
    byId("found").textContent = chosen.length ? `${written(chosen.length)} of ${total}` : `None of ${total}`;
    show();
  };

  const filterBy = (code) => {
    search.value = "";
    reason.value = code;
    statuses.querySelector("input").checked = true;
    choose();
  };

  const open = () => {
    const [, number] = /^#row-(\d+)$/.exec(location.hash) || [];
    if (!number) return;
    const row = rows.find((each) => each.row === Number(number));
    if (!row) {
      byId("found").textContent = `Row ${written(Number(number))} is not among ${byId("reach") ? "" : "these "}${total}.`;
      byId("controls").scrollIntoView();
      return;
    }
    if (!chosen.includes(row)) filterBy("");
    page = Math.floor(chosen.indexOf(row) / perPage);
    show();
    const element = byId(`row-${number}`);
    element.setAttribute("aria-current", "true");
    element.querySelector("details").open = true;
    element.focus({ preventScroll: true });
    element.scrollIntoView({ behavior: "instant", block: "nearest" });
  };

  const turn = (by) => {
    page += by;
    show();
    table.focus({ preventScroll: true });
    table.scrollIntoView({ behavior: "instant" });
  };

  // Some browsers have no clipboard API in a page opened from a file; a selection works there.
  const copySelected = (text) => {
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  const copy = async (button) => {
    const row = button.closest("tr");
    const says = [...row.querySelectorAll(".error, .fix")].map((each) => each.textContent).join(" ");
    const text = `${byId("file").textContent}, row ${row.id.slice(4)}: ${says}`;
    const done = await navigator.clipboard?.writeText(text).then(() => true, () => false) || copySelected(text);
    button.focus();
    button.firstChild.data = done ? "Copied" : "Not copied";
    byId("copied").textContent = done ? "Copied." : "Not copied: select the text instead.";
    setTimeout(() => { button.firstChild.data = "Copy"; byId("copied").textContent = ""; }, 2000);
  };

  const countBy = (values) => values.reduce((counts, value) => counts.set(value, (counts.get(value) || 0) + 1), new Map());
  const choice = (value, count) => {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "status", value, checked: !value });
    label.append(input, `${value || "All"} ${written(count)}`);
    return label;
  };
  statuses.append(choice("", rows.length));
  for (const [status, count] of countBy(rows.map((row) => row.status))) statuses.append(choice(status, count));
  const codes = countBy(rows.flatMap(codesOf));
  for (const option of reason.options) if (option.value) option.append(` (${written(codes.get(option.value) || 0)})`);

  statuses.addEventListener("change", choose);
  reason.addEventListener("change", choose);
  search.addEventListener("input", choose);
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  table.addEventListener("click", (event) => { const button = event.target.closest(".copy"); if (button) copy(button); });
  for (const link of document.querySelectorAll("a[data-code]")) link.addEventListener("click", () => filterBy(link.dataset.code));
  addEventListener("hashchange", open);
  byId("controls").hidden = false;
  choose();
  open();
})();
