// Pages, searches and filters the rows that change their clients.
(() => {
  if (!byId("changes-entries")) return;
  const field = byId("changes-field");
  const pattern = byId("changes-field-pattern").content.firstElementChild;

  const drawnField = (change) => {
    const made = pattern.cloneNode(true);
    made.classList.toggle("empties", change.empties);
    for (const [name, tag] of [["old", "del"], ["new", "ins"]]) {
      made.querySelector(tag).classList.toggle("none", !change[name].join(""));
      fill(made.querySelector(`[data-is=${name}]`), change[name], "mark");
    }
    fill(made.querySelector("[data-is=field]"), change.field);
    return made;
  };

  const drawn = (made, row) => {
    made.id = `change-${row.row}`;
    const chip = made.querySelector(".chip"); // a plan has none
    if (chip) {
      chip.className = `chip ${row.status}`;
      chip.querySelector("use").setAttribute("href", `#${row.status}`);
    }
    for (const slot of made.querySelectorAll("[data-is]")) fill(slot, row[slot.dataset.is]);
    made.querySelector("dl").replaceChildren(...row.changes.map(drawnField));
    return made;
  };

  // The name of a field, or * for fields that become blank.
  const wants = (value) => (change) => (value === "*" ? change.empties : change.field === value);
  const list = listing("changes-", {
    drawn,
    accepts: (row) => !field.value || row.changes.some(wants(field.value)),
    textOf: ({ changes, note, ...rest }) => [
      ...Object.values(rest), note.join(""),
      ...changes.flatMap((change) => [change.field, change.old.join(""), change.new.join("")]),
    ].join("\n"),
  });
  for (const option of field.options) {
    const count = list.rows.filter((row) => row.changes.some(wants(option.value))).length;
    if (option.value) option.append(` (${written(count)})`);
  }
  field.addEventListener("change", list.choose);
  list.choose();
})();
