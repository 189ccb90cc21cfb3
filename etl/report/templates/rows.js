// Pages, searches and filters the rows that were not updated, and opens links to rows.
(() => {
  if (!byId("entries")) return;
  const [reason, statuses] = ["reason", "statuses"].map(byId);

  const drawn = (made, row) => {
    made.id = `row-${row.row}`;
    made.querySelector("th a").href = `#${made.id}`;
    made.querySelector(".chip").className = `chip ${row.status}`;
    made.querySelector("use").setAttribute("href", `#${row.status}`);
    made.querySelector(".copy").hidden = false;
    made.querySelectorAll("dd bdi").forEach((cell, place) => { cell.textContent = row.cells[place]; });
    for (const slot of made.querySelectorAll("[data-is]")) fill(slot, row[slot.dataset.is]);
    return made;
  };

  const codesOf = (row) => row.codes.split("; ");
  const textOf = ({ error, warning, ...rest }) =>
    [error.join(""), warning.join(""), ...Object.values(rest).flat()].join("\n");

  const accepts = (row) => {
    const status = statuses.querySelector(":checked")?.value; // there are none yet at first
    return (!status || row.status === status) && (!reason.value || codesOf(row).includes(reason.value));
  };
  const { rows, total, table, search, choose, turnTo, has } = listing("", { drawn, accepts, textOf });

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
    if (!has(row)) filterBy("");
    turnTo(row);
    const element = byId(`row-${number}`);
    element.setAttribute("aria-current", "true");
    element.querySelector("details").open = true;
    element.focus({ preventScroll: true });
    element.scrollIntoView({ behavior: "instant", block: "nearest" });
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
  table.addEventListener("click", (event) => { const button = event.target.closest(".copy"); if (button) copy(button); });
  for (const link of document.querySelectorAll("a[data-code]")) link.addEventListener("click", () => filterBy(link.dataset.code));
  addEventListener("hashchange", open);
  choose();
  open();
})();
