"use strict";
// Comfort only: search, sort and a window for log texts. Everything is on the page without it.
(() => {
  const $ = (id) => document.getElementById(id);
  const form = $("filter");
  const body = $("rows") && $("rows").tBodies[0];
  const rows = body ? [...body.rows] : [];
  const picks = { user: $("f-user"), type: $("f-type"), node: $("f-node"), state: $("f-state") };
  const fold = (text) => text.toLocaleLowerCase().normalize("NFKD").replace(/\s+/g, " ").trim();

  function setUpSearch() {
    const texts = new Map(rows.map((row) => [row, fold(Object.values(row.dataset).join(" ") + " " + row.textContent)]));
    for (const [name, select] of Object.entries(picks)) {
      const values = new Set(rows.map((row) => row.dataset[name]).filter(Boolean));
      for (const value of [...values].sort((a, b) => a.localeCompare(b))) select.append(new Option(value, value));
    }
    const apply = () => {
      const words = fold($("q").value).split(" ").filter(Boolean);
      let count = 0;
      for (const row of rows) {
        const fits = Object.entries(picks).every(([name, select]) => !select.value || row.dataset[name] === select.value);
        row.hidden = !(fits && words.every((word) => texts.get(row).includes(word)));
        count += row.hidden ? 0 : 1;
      }
      $("shown").textContent = form.dataset.shown.replace("%(shown)s", count).replace("%(all)s", rows.length);
      $("no-match").hidden = count > 0;
    };
    form.addEventListener("input", apply);
    form.addEventListener("change", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    form.hidden = false;
    apply();
  }

  function setUpSort() {
    const key = (row, column) => {
      const cell = row.cells[column];
      const time = cell.querySelector("time");
      return cell.dataset.v || (time ? time.dateTime : cell.textContent.trim());
    };
    const heads = [...document.querySelectorAll("#rows th[data-sort]")];
    heads.forEach((head) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const keys = new Map(rows.map((row) => [row, key(row, head.cellIndex)]));
        const order = new Intl.Collator(document.documentElement.lang, { numeric: true });
        rows.sort((a, b) => (up ? 1 : -1) * order.compare(keys.get(a), keys.get(b)));
        body.append(...rows);
      });
    });
  }

  function setUpLogs() {
    const box = $("logbox");
    if (!box || !box.showModal) return;
    document.addEventListener("click", (event) => {
      const link = event.target.closest && event.target.closest("a.open-log");
      if (link) {
        const text = document.getElementById(link.hash.slice(1));
        if (!text) return;
        event.preventDefault();
        $("logbox-head").textContent = text.closest("details").querySelector("code").textContent;
        box.querySelector("pre").textContent = text.textContent;
        box.showModal();
      } else if (event.target === box) {
        box.close();
      }
    });
  }

  if (form) setUpSearch();
  if (body) setUpSort();
  setUpLogs();
})();
