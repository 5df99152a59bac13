"use strict";
(() => {
  document.documentElement.classList.add("scripted");

  // Pages: one is shown at a time, that of the address's anchor. Without this script all of them are.
  const pages = [...document.querySelectorAll("[data-page]")];
  const links = [...document.querySelectorAll("nav.pages a")];
  const show = (moved) => {
    let name = "";
    try { name = decodeURIComponent(location.hash.slice(1)); } catch { /* no anchor of ours */ }
    const target = name ? document.getElementById(name) : null;
    const found = target && target.closest("[data-page]");
    if (moved && target && !found) return;
    const page = found || pages[0];
    for (const other of pages) other.hidden = other !== page;
    for (const link of links) {
      if (link.hash !== "#" + page.id || pages.length === 1) continue;
      for (const other of links) other.removeAttribute("aria-current");
      link.setAttribute("aria-current", "page");
    }
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (found && target !== page) target.scrollIntoView();
    else scrollTo(0, 0);
    const name_of = (part) => part.matches("[data-page]") ? part.querySelector("h2") : part.querySelector("summary") || part;
    if (moved) name_of(found ? target : page).focus({ preventScroll: true });
  };
  addEventListener("hashchange", () => show(true));
  show(false);

  // Tables: sorted by the buttons in their headings, filtered by words, and with the columns that one wants.
  const make = (tag, attributes, ...inside) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  };
  const number = (text) => {
    const found = text.replace(/,/g, "").match(/^[^\d+\-.]{0,4}([+-]?\d*\.?\d+(?:e[+-]?\d+)?)/);
    return found ? Number(found[1]) : null;
  };
  const keyOf = (cell, numeric) => {
    if (cell.dataset.key !== undefined) return cell.dataset.key === "" ? null : Number(cell.dataset.key);
    const text = cell.textContent.trim();
    return numeric ? number(text) : text === "\u2013" ? null : text;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
    : String(a).localeCompare(String(b), "en", { numeric: true });

  const sortable = (table, headings, rows) => {
    const order = new Map(rows.map((row, place) => [row, place]));
    headings.forEach((heading, column) => {
      const button = make("button", { type: "button", class: "sort" }, ...heading.childNodes);
      heading.append(button);
      const keyed = heading.classList.contains("number") || rows.some((row) => row.cells[column].dataset.key);
      button.addEventListener("click", () => {
        const before = heading.getAttribute("aria-sort"), first = keyed ? "descending" : "ascending";
        const second = keyed ? "ascending" : "descending";
        const now = before === first ? second : before === second ? null : first;
        for (const other of headings) other.removeAttribute("aria-sort");
        if (now) heading.setAttribute("aria-sort", now);
        const sign = now === "descending" ? -1 : 1;
        const keys = new Map(rows.map((row) => [row, keyOf(row.cells[column], keyed)]));
        const sorted = [...rows].sort((a, b) => {
          if (!now) return order.get(a) - order.get(b);
          const x = keys.get(a), y = keys.get(b);
          if (x === null || y === null) return (x === null) - (y === null) || order.get(a) - order.get(b);
          return sign * compare(x, y) || order.get(a) - order.get(b);
        });
        table.tBodies[0].append(...sorted);
      });
    });
  };

  const filterable = (rows, tools) => {
    const words = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
    tools.append(make("label", {}, "Filter", words));
    const kinds = [...new Set(rows.map((row) => row.dataset.kind).filter(Boolean))];
    const kind = make("select", {}, make("option", { value: "" }, "all methods"));
    for (const name of kinds) kind.append(make("option", { value: name }, name));
    if (kinds.length > 1) tools.append(make("label", {}, "Privacy", kind));
    const told = make("output", { "aria-live": "polite" });
    tools.append(told);
    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word)) || (kind.value !== "" && row.dataset.kind !== kind.value);
      }
      const left = rows.filter((row) => !row.hidden).length;
      told.textContent = left === rows.length ? `${rows.length} rows` : `${left} of ${rows.length} rows`;
    };
    words.addEventListener("input", apply);
    kind.addEventListener("change", apply);
    apply();
  };

  const choosable = (table, headings, tools) => {
    const first = new Set(table.dataset.first.split(" ").map(Number));
    const boxes = headings.map((heading, column) => {
      const box = make("input", { type: "checkbox" });
      box.checked = first.has(column);
      return box;
    });
    const title = make("summary", {});
    const apply = () => {
      boxes.forEach((box, column) => { for (const row of table.rows) row.cells[column].hidden = !box.checked; });
      title.textContent = `Columns (${boxes.filter((box) => box.checked).length} of ${boxes.length})`;
    };
    const all = make("button", { type: "button" }, "All columns"), few = make("button", { type: "button" }, "The first ones");
    all.addEventListener("click", () => { boxes.forEach((box) => { box.checked = true; }); apply(); });
    few.addEventListener("click", () => { boxes.forEach((box, column) => { box.checked = first.has(column); }); apply(); });
    const names = headings.map((heading) => heading.textContent.trim());
    const choices = boxes.slice(1).map((box, place) => make("label", {}, box, names[place + 1]));
    for (const box of boxes) box.addEventListener("change", apply);
    const legend = make("legend", {}, "Columns that are shown ");
    tools.append(make("details", { class: "columns" }, title, make("fieldset", {}, legend, ...choices, all, few)));
    apply();
  };

  for (const table of document.querySelectorAll("table.rows")) {
    const headings = [...table.tHead.rows[0].cells], rows = [...table.tBodies[0].rows];
    const tools = make("div", { class: "tools", role: "group", "aria-label": `Filter: ${table.parentElement.getAttribute("aria-label")}` });
    if (rows.length > 7) filterable(rows, tools);
    if (table.dataset.first) choosable(table, headings, tools);
    if (rows.length > 1) sortable(table, headings, rows);
    if (tools.childElementCount) table.parentElement.before(tools);
  }
})();
