"use strict";
// Lets people search the rows that were not updated. Without it all of them are shown.
(() => {
  const byId = (id) => document.getElementById(id);
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const rows = Array.from(byId("table").tBodies[0].rows, (row) => ({
    row,
    status: row.dataset.status,
    text: fold(row.textContent),
  }));
  const search = byId("search");
  let status = "";

  const apply = () => {
    const words = fold(search.value).split(/\s+/).filter(Boolean);
    let found = 0;
    for (const each of rows) {
      const wanted = (!status || each.status === status) && words.every((word) => each.text.includes(word));
      each.row.hidden = !wanted;
      found += wanted;
    }
    const total = rows.length.toLocaleString("en");
    byId("found").textContent = found ? `${found.toLocaleString("en")} of ${total} rows` : `None of ${total} rows`;
  };

  const choice = (value, count) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "status", value, checked: value === status });
    input.addEventListener("change", () => { status = value; apply(); });
    label.append(input, `${value || "All"} ${count.toLocaleString("en")}`);
    return label;
  };

  const counts = new Map([["", rows.length]]);
  for (const each of rows) counts.set(each.status, (counts.get(each.status) || 0) + 1);
  for (const [value, count] of counts) byId("statuses").append(choice(value, count));

  for (const link of document.querySelectorAll("a[data-find]")) {
    link.addEventListener("click", () => {
      search.value = link.dataset.find;
      byId("statuses").querySelector("input").click();
      apply();
    });
  }
  search.addEventListener("input", apply);
  byId("controls").hidden = false;
  apply();
})();
