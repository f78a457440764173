"use strict";
// Sorting, filtering and copy buttons: comfort only, the page reads without them.
(() => {
  const table = document.getElementById("table");
  if (table) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const key = (row, column) => {
      const cell = row.cells[column];
      return cell.dataset.sort === undefined ? cell.textContent.toLowerCase() : Number(cell.dataset.sort);
    };
    table.classList.add("sortable");
    heads.forEach((head, column) => {
      head.tabIndex = 0;
      const sort = () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [key(a, column), key(b, column)];
          return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
        });
        body.append(...rows);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
    });

    const form = document.getElementById("filters");
    const selects = [...form.querySelectorAll("select")];
    const shown = document.getElementById("shown");
    const filter = () => {
      let count = 0;
      for (const row of body.rows) {
        row.hidden = !selects.every(({ value, dataset }) => {
          const has = row.dataset[dataset.filter];
          return !value || (dataset.filter === "operator" ? has.split(" ").includes(value) : has === value);
        });
        count += !row.hidden;
      }
      shown.textContent = `${count} of ${body.rows.length} shown`;
    };
    form.hidden = false;
    form.addEventListener("change", filter);
    filter();
  }

  for (const block of document.querySelectorAll(".copy")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      const code = block.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(code); // a file opened offline may not reach the clipboard
        button.textContent = "selected";
      }
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
    block.classList.add("ready");
    block.append(button);
  }
})();
