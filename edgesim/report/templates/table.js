// Tables: sorted, filtered, paged and saved in the browser. Only the rows of one page are ever in the document,
// so ten thousand trials cost no more than ten.
const PAGE_SIZES = [25, 100, 500];
const SHORT = {{ short }};
const collator = new Intl.Collator("en", { numeric: true });

const element = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const download = (name, content, type) => {
  const link = element("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

// A column as a function from row to value; null for unknown values. How columns are stored: edgesim/report/payload.py.
const reader = (column) => {
  if ("all" in column) return () => column.all;
  if (column.of) return (row) => column.of[column.at[row]];
  if (!column.f8) return (row) => column.values[row];
  const numbers = new Float64Array(Uint8Array.from(atob(column.f8), (sign) => sign.charCodeAt(0)).buffer);
  return (row) => (Number.isNaN(numbers[row]) ? null : numbers[row]);
};

// Full precision. A text that a spreadsheet would take for a formula gets an apostrophe.
const csvCell = (value, isText) => {
  if (value === null || value === undefined) return "";
  const text = isText && /^[=+@\-\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

class DataTable {
  constructor(root, data) {
    this.root = root;
    this.columns = data.columns.map((column) => ({ ...column, get: reader(column), write: writer(column.form) }));
    this.total = data.rows;
    this.size = PAGE_SIZES[0];
    this.page = 0;
    this.sorted = null;
    this.order = Array.from({ length: this.total }, (_, row) => row);
    this.body = root.querySelector("tbody");
    this.caption = root.querySelector("caption").textContent;
    this.addTools();
    this.addSorting();
    this.show();
  }

  addTools() {
    this.count = element("span", { className: "rows" });
    this.count.setAttribute("aria-live", "polite");
    this.filter = element("input", { type: "search", placeholder: "Filter rows" });
    this.filter.setAttribute("aria-label", `Filter the rows of: ${this.caption}`);
    let waiting;
    this.filter.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.update(), 120);
    });
    const save = element("button", { type: "button", textContent: "CSV", title: "Save the rows shown by the filter, full precision" });
    save.setAttribute("aria-label", `Save as CSV: ${this.caption}`);
    save.addEventListener("click", () => download(`${this.root.dataset.name}.csv`, this.csv(), "text/csv"));
    this.back = element("button", { type: "button", textContent: "‹" });
    this.back.setAttribute("aria-label", "Previous rows");
    this.next = element("button", { type: "button", textContent: "›" });
    this.next.setAttribute("aria-label", "Next rows");
    this.back.addEventListener("click", () => this.turn(-1));
    this.next.addEventListener("click", () => this.turn(1));
    const sizes = element("select", {}, ...PAGE_SIZES.map((size) => new Option(`${size} rows`, size, false, size === this.size)));
    sizes.setAttribute("aria-label", "Rows per page");
    sizes.addEventListener("change", () => { this.size = Number(sizes.value); this.page = 0; this.show(); });
    const paging = this.total > this.size ? [this.back, this.count, this.next, sizes] : [this.count];
    const filtering = this.total > 3 ? [this.filter] : [];
    this.root.prepend(element("div", { className: "tools" }, ...filtering, ...paging, save));
  }

  addSorting() {
    this.heads = [...this.root.querySelectorAll("thead th")];
    this.heads.forEach((head, place) => {
      const button = element("button", { type: "button", textContent: head.textContent, title: this.columns[place].meaning });
      button.addEventListener("click", () => {
        const down = this.sorted && this.sorted.place === place && !this.sorted.down;
        this.sorted = { place, down };
        this.heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        this.update();
      });
      head.replaceChildren(button);
    });
  }

  texts() {
    if (!this.searchable) {
      this.searchable = Array.from({ length: this.total }, (_, row) =>
        this.columns.map((column) => column.write(column.get(row))).join("\n").toLowerCase());
    }
    return this.searchable;
  }

  update() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = Array.from({ length: this.total }, (_, row) => row);
    this.order = words.length ? rows.filter((row) => words.every((word) => this.texts()[row].includes(word))) : rows;
    if (this.sorted) {
      const { get, form } = this.columns[this.sorted.place];
      const sign = this.sorted.down ? -1 : 1;
      const compare = form === null ? (a, b) => collator.compare(a, b) : (a, b) => a - b;
      this.order.sort((one, other) => {
        const [a, b] = [get(one), get(other)];
        if (a === null || b === null) return (a === null) - (b === null);  // unknown values come last, both ways
        return sign * compare(a, b);
      });
    }
    this.page = 0;
    this.show();
  }

  turn(step) {
    this.page += step;
    this.show();
  }

  show(rows = this.size) {
    const first = this.page * rows;
    const shown = this.order.slice(first, first + rows);
    this.body.replaceChildren(...shown.map((row) => element("tr", {}, ...this.columns.map((column) =>
      this.cell(column.write(column.get(row)), column.form)))));
    const found = this.order.length === this.total ? "" : ` of ${thousands.format(this.total)}`;
    const range = shown.length === this.order.length ? "" : `${first + 1}–${first + shown.length} of `;
    const word = this.total === 1 ? "row" : "rows";
    this.count.textContent = `${range}${thousands.format(this.order.length)}${found} ${word}`;
    this.back.disabled = this.page === 0;
    this.next.disabled = first + shown.length >= this.order.length;
  }

  cell(text, form) {
    const length = text.length > SHORT ? "long" : "short";
    return element("td", { className: form === null ? length : "n", textContent: text });
  }

  csv() {
    const head = this.columns.map((column) => csvCell(column.key, true)).join(",");
    const line = (row) => this.columns.map((column) => csvCell(column.get(row), column.form === null)).join(",");
    return [head, ...this.order.map(line)].join("\r\n") + "\r\n";
  }
}
