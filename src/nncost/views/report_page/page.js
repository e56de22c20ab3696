"use strict";
// The table of layers: a tree that folds, sorts and filters, of which only the rows in view are in the page.
// All text comes from a network's file and is put as text, never as markup.
(() => {
  const ROW = 28, AROUND = 12, SHOWN_AT_FIRST = 40;

  const element = (name, attributes = {}, ...inside) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  };

  // Amounts of any size compare by their digits; a formula by its text, behind all numbers.
  const digits = (text) => (/^[\d,]+$/.test(text) ? text.replaceAll(",", "") : null);
  const compare = (one, other) => {
    const a = digits(one), b = digits(other);
    if (a === null || b === null) return a !== null ? 1 : b !== null ? -1 : one.localeCompare(other);
    return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
  };

  class LayerTree {
    constructor(holder) {
      this.holder = holder;
      const content = JSON.parse(holder.querySelector("script").textContent);
      this.groups = ["", "", "", ...content.groups];
      this.titles = ["layer", "operation", "output", ...content.titles];
      this.total = ["total", "", "", ...content.total];
      this.top = [];
      this.nodes = content.rows.map(([level, name, times, ...cells], order) => (
        { level, name, cells: [times ? `${name} ×${times}` : name, ...cells], order, inside: [], open: false }
      ));
      const above = [];
      for (const node of this.nodes) {
        above.length = node.level;
        (node.level ? above[node.level - 1].inside : this.top).push(node);
        node.path = [...above.map((each) => each.name), node.name].join(".");
        above.push(node);
      }
      this.sorted = { column: -1, sign: 1 };
      this.words = "";
      this.flat = false;
      this.active = 0;
      this.openFirst();
      this.build();
      this.update();
    }

    // Whole levels are open as long as all of them fit on a screen.
    openFirst() {
      const deepest = this.nodes.reduce((most, node) => Math.max(most, node.level), 0);
      for (let level = 0; level < deepest; level += 1) {
        if (this.nodes.filter((node) => node.level <= level + 1).length > SHOWN_AT_FIRST) break;
        for (const node of this.nodes) if (node.level === level) node.open = true;
      }
    }

    build() {
      const search = element("input", { type: "search", placeholder: "Find a layer or operation", "aria-label": "Find a layer or operation" });
      search.addEventListener("input", () => { this.words = search.value.trim().toLowerCase(); this.begin(); });
      const isTree = this.isTree = this.nodes.some((node) => node.inside.length);
      const button = (text, act) => { const made = element("button", { type: "button" }, text); made.addEventListener("click", act); return made; };
      const tools = element("div", { class: "tools" }, search);
      if (isTree) {
        const flat = element("input", { type: "checkbox" });
        flat.addEventListener("change", () => { this.flat = flat.checked; this.begin(); });
        tools.append(
          button("Open all", () => this.openAll(true)), button("Close all", () => this.openAll(false)),
          element("label", {}, flat, " one list, without modules"),
        );
      }
      this.status = element("span", { role: "status" });
      tools.append(this.status);
      this.body = element("tbody");
      this.scroller = element("div", { class: "rows", tabindex: "-1" });
      const table = element("table", { role: isTree ? "treegrid" : "grid", "aria-label": "layers" }, this.columns(), this.head(), this.body, this.foot());
      this.table = table;
      this.scroller.append(table);
      this.scroller.addEventListener("scroll", () => this.draw(), { passive: true });
      this.body.addEventListener("click", (event) => this.clicked(event));
      this.body.addEventListener("keydown", (event) => this.pressed(event));
      addEventListener("resize", () => this.draw());
      addEventListener("beforeprint", () => this.draw(true));
      addEventListener("afterprint", () => this.draw());
      this.holder.append(tools, this.scroller);
    }

    columns() {
      const group = element("colgroup");
      this.titles.forEach((title, column) => {
        let longest = Math.max(title.length + 2, this.total[column].length);
        for (const node of this.nodes) longest = Math.max(longest, node.cells[column].length + (column ? 0 : 2 * node.level + 3));
        group.append(element("col", { style: `width: ${Math.min(longest, column ? 40 : 44) * 0.62 + 1.2}em` }));
      });
      return group;
    }

    head() {
      const groups = element("tr"), titles = element("tr");
      for (let first = 0; first < this.groups.length;) {
        let after = first + 1;
        while (after < this.groups.length && this.groups[after] === this.groups[first]) after += 1;
        const attributes = { colspan: after - first, class: "number" };
        groups.append(this.groups[first] ? element("th", { ...attributes, scope: "colgroup" }, this.groups[first]) : element("td", attributes));
        first = after;
      }
      this.headers = this.titles.map((title, column) => {
        const button = element("button", { type: "button" }, title);
        const cell = element("th", { scope: "col", class: column > 2 ? "number" : "text", "aria-sort": "none" }, button);
        button.addEventListener("click", () => this.sort(column));
        titles.append(cell);
        return cell;
      });
      return element("thead", {}, ...(this.groups.some(Boolean) ? [groups] : []), titles);
    }

    foot() {
      const row = element("tr");
      this.total.forEach((text, column) => row.append(element(column ? "td" : "th", { class: column > 2 ? "number" : "text" }, text)));
      return element("tfoot", {}, row);
    }

    sort(column) {
      const first = column > 2 ? -1 : 1;
      const { column: before, sign } = this.sorted;
      this.sorted = before !== column ? { column, sign: first } : sign === first ? { column, sign: -first } : { column: -1, sign: 1 };
      this.headers.forEach((cell, number) => {
        const way = this.sorted.sign > 0 ? "ascending" : "descending";
        cell.setAttribute("aria-sort", number === this.sorted.column ? way : "none");
      });
      this.update();
    }

    // Other rows are shown than before: from the first one.
    begin() {
      this.active = 0;
      this.scroller.scrollTop = 0;
      this.update();
    }

    openAll(open) {
      for (const node of this.nodes) node.open = open;
      this.update();
    }

    ordered(nodes) {
      const { column, sign } = this.sorted;
      if (column < 0) return nodes;
      return [...nodes].sort((a, b) => sign * compare(a.cells[column], b.cells[column]) || a.order - b.order);
    }

    // The rows that are shown, in their order: those found with the modules around them, or what is open.
    update() {
      if (this.words) {
        for (const node of this.nodes) node.found = `${node.path} ${node.cells[1]}`.toLowerCase().includes(this.words);
        for (let number = this.nodes.length - 1; number >= 0; number -= 1) {
          const node = this.nodes[number];
          node.around = node.found || node.inside.some((each) => each.around);
        }
      }
      if (this.flat) {
        const leaves = this.nodes.filter((node) => !node.inside.length && (!this.words || node.found));
        this.shown = this.ordered(leaves);
      } else {
        this.shown = [];
        const add = (nodes) => {
          for (const node of this.ordered(nodes)) {
            if (this.words && !node.around) continue;
            this.shown.push(node);
            if (this.words ? node.inside.some((each) => each.around) || node.open : node.open) add(node.inside);
          }
        };
        add(this.top);
      }
      const found = this.words ? this.nodes.filter((node) => node.found).length : this.nodes.length;
      const all = this.nodes.length.toLocaleString("en");
      this.status.textContent = this.words ? `${found.toLocaleString("en")} of ${all} found` : `${all} rows`;
      this.table.setAttribute("aria-rowcount", String(this.shown.length));
      this.active = Math.min(this.active, Math.max(0, this.shown.length - 1));
      this.draw();
    }

    // Only the rows in view are elements, between two gaps as high as the others would be; a print has all of them.
    draw(all = false) {
      const top = this.scroller.scrollTop, height = this.scroller.clientHeight || 600;
      const last = Math.max(0, this.shown.length - Math.floor(height / ROW));
      const first = all ? 0 : Math.max(0, Math.min(last, Math.floor(top / ROW)) - AROUND);
      const after = all ? this.shown.length : Math.min(this.shown.length, Math.ceil((top + height) / ROW) + AROUND);
      const focused = this.body.contains(document.activeElement);
      const gap = (rows) => {
        const cell = element("td", { colspan: this.titles.length });
        cell.style.height = `${rows * ROW}px`;
        return element("tr", { class: "gap", "aria-hidden": "true" }, cell);
      };
      const rows = [];
      if (first) rows.push(gap(first));
      for (let number = first; number < after; number += 1) rows.push(this.row(number));
      if (after < this.shown.length) rows.push(gap(this.shown.length - after));
      this.body.replaceChildren(...rows);
      if (focused) this.body.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
    }

    row(number) {
      const node = this.shown[number], [name, ...others] = node.cells;
      const label = this.flat ? node.path : name;
      const first = element("th", { scope: "row", class: "text", title: node.path });
      first.style.paddingLeft = `${0.4 + (this.flat ? 0 : 1.1 * node.level)}em`;
      const opens = !this.flat && node.inside.length;
      first.append(element("span", { class: "fold", "aria-hidden": "true" }, opens ? (node.open || this.words ? "▾" : "▸") : ""), label);
      const row = element("tr", { "aria-rowindex": number + 1, tabindex: number === this.active ? "0" : "-1", "data-number": number }, first);
      if (this.isTree) row.setAttribute("aria-level", String(this.flat ? 1 : node.level + 1));
      if (opens) row.setAttribute("aria-expanded", String(Boolean(node.open || this.words)));
      others.forEach((text, column) => {
        const cell = element("td", { class: column > 1 ? "number" : "text" }, text === "0" ? "" : text);
        if (text.length > 20) cell.title = text;
        row.append(cell);
      });
      return row;
    }

    clicked(event) {
      const row = event.target.closest("tr[data-number]");
      if (!row) return;
      this.active = Number(row.dataset.number);
      this.toggle(this.shown[this.active]);
      this.body.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
    }

    toggle(node) {
      if (!node.inside.length || this.flat) { this.draw(); return; }
      node.open = !node.open;
      this.update();
    }

    pressed(event) {
      const node = this.shown[this.active];
      const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW) - 3);
      const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.shown.length, End: this.shown.length };
      if (event.key in moves) this.move(this.active + moves[event.key]);
      else if (event.key === "Enter" || event.key === " ") this.toggle(node);
      else if (event.key === "ArrowRight" && node.inside.length && !node.open) this.toggle(node);
      else if (event.key === "ArrowRight" && node.inside.length) this.move(this.active + 1);
      else if (event.key === "ArrowLeft" && node.open && node.inside.length) this.toggle(node);
      else if (event.key === "ArrowLeft") this.move(this.above());
      else return;
      event.preventDefault();
    }

    above() {
      const level = this.shown[this.active].level;
      let number = this.active;
      while (number > 0 && this.shown[number].level >= level) number -= 1;
      return number;
    }

    move(number) {
      this.active = Math.max(0, Math.min(this.shown.length - 1, number));
      const head = this.table.tHead.offsetHeight, foot = this.table.tFoot.offsetHeight;
      const top = this.active * ROW, view = this.scroller;
      if (top < view.scrollTop) view.scrollTop = top;
      if (top + ROW > view.scrollTop + view.clientHeight - head - foot) view.scrollTop = top + ROW - view.clientHeight + head + foot;
      this.draw();
      this.body.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
    }
  }

  for (const holder of document.querySelectorAll(".layer-tree")) new LayerTree(holder);

  for (const button of document.querySelectorAll("button.download")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const content = document.getElementById(button.dataset.of).textContent;
      const link = element("a", { download: `${button.dataset.name}.json`, href: URL.createObjectURL(new Blob([content], { type: "application/json" })) });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }
})();
