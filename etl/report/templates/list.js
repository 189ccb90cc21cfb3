"use strict";
// What the page's lists of rows share: each is searched, and shown in pages. Without the scripts,
// the first rows of each are shown.
const byId = (id) => document.getElementById(id);
const fold = (text) => text.normalize("NFKC").toLowerCase();
const written = (number) => number.toLocaleString("en");

// Every second part of a text is set apart: quoted text with its own direction, or a difference.
const fill = (element, value, tag = "bdi") => {
  const apart = (part) => Object.assign(document.createElement(tag), { textContent: part });
  const parts = [].concat(value).map((part, place) => (place % 2 ? apart(part) : String(part)));
  element.replaceChildren(...parts.filter((part) => part !== ""));
};

// The ids of a list's elements begin with `prefix`. `drawn` fills a copy of its pattern with a row,
// `accepts` says whether a row passes its filters, and `textOf` is what is searched of a row.
const listing = (prefix, { drawn, accepts, textOf }) => {
  const part = (name) => byId(prefix + name);
  const perPage = matchMedia("(max-width: 46rem)").matches ? 25 : 100; // a phone can be scrolled to its end
  const rows = JSON.parse(part("entries").textContent);
  const total = part("reach") ? `the first ${written(rows.length)} rows` : `${written(rows.length)} ${rows.length === 1 ? "row" : "rows"}`;
  const pattern = part("pattern").content.firstElementChild;
  const [table, search] = ["table", "search"].map(part);
  let chosen = rows;
  let page = 0;

  const show = () => {
    const from = page * perPage;
    const shown = chosen.slice(from, from + perPage);
    table.tBodies[0].replaceChildren(...shown.map((row) => drawn(pattern.cloneNode(true), row)));
    part("pager").hidden = chosen.length <= perPage;
    part("range").textContent = `Showing ${written(from + 1)}–${written(from + shown.length)} of ${written(chosen.length)}`;
    part("previous").disabled = !page;
    part("next").disabled = from + perPage >= chosen.length;
  };

  const choose = () => {
    const words = fold(search.value).split(/\s+/).filter(Boolean);
    const has = (row, word) => (row.text ??= fold(textOf(row))).includes(word); // computed when first needed
    chosen = rows.filter((row) => accepts(row) && words.every((word) => has(row, word)));
    page = 0;
    part("found").textContent = chosen.length ? `${written(chosen.length)} of ${total}` : `None of ${total}`;
    show();
  };

  const turn = (by) => {
    page += by;
    show();
    table.focus({ preventScroll: true });
    table.scrollIntoView({ behavior: "instant" });
  };

  const turnTo = (row) => {
    page = Math.floor(chosen.indexOf(row) / perPage);
    show();
  };

  search.addEventListener("input", choose);
  part("previous").addEventListener("click", () => turn(-1));
  part("next").addEventListener("click", () => turn(1));
  part("controls").hidden = false;
  return { rows, total, table, search, choose, turnTo, has: (row) => chosen.includes(row) };
};
