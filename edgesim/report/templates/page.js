const page = JSON.parse(document.getElementById("page-data").textContent);

// Tables inside closed details are made when these are opened.
const makeTable = (root) => {
  if (!root.dataset.made) {
    root.dataset.made = "yes";
    root.table = new DataTable(root, page.tables[root.dataset.table]);
  }
  return root.table;
};
for (const root of document.querySelectorAll("[data-table]")) {
  const folded = root.closest("details:not([open])");
  if (folded) folded.addEventListener("toggle", () => makeTable(root), { once: true });
  else makeTable(root);
}

const drawn = [...document.querySelectorAll("figure[data-figure]")].map((root) => {
  root.figure = new PageFigure(root, page.figures[root.dataset.figure]);
  return root.figure;
});
const inView = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((entry) => entry.isIntersecting)) {
    inView.unobserve(entry.target);
    entry.target.figure.draw();
  }
}, { rootMargin: DRAW_AHEAD });
drawn.forEach((figure) => inView.observe(figure.root));

// Pictures of samples are of one method: those of the method chosen are shown.
for (const root of document.querySelectorAll("[data-method]")) {
  const select = root.closest("section").querySelector('select[data-choice="method"]');
  const show = () => { root.hidden = Boolean(select) && select.value !== root.dataset.method; };
  if (select) select.addEventListener("change", show);
  show();
}

// A sentence in place of a figure is that of what is chosen.
for (const root of document.querySelectorAll("[data-chosen]")) {
  const wanted = JSON.parse(root.dataset.chosen);
  const selects = [...root.closest("section").querySelectorAll("select[data-choice]")];
  const show = () => { root.hidden = selects.some(({ dataset, value }) => (wanted[dataset.choice] ?? value) !== value); };
  selects.forEach((select) => select.addEventListener("change", show));
  show();
}

// Light, dark, or as the system has it.
const THEMES = ["auto", "light", "dark"];
const themeButton = document.getElementById("theme");
const setTheme = (theme) => {
  document.documentElement.dataset.theme = theme;
  themeButton.textContent = `Theme: ${theme}`;
  drawn.forEach((figure) => figure.retheme(pageLook()));
};
themeButton.hidden = false;
themeButton.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  setTheme(next);
  try { localStorage.setItem("edgesim-theme", next); } catch { /* a page from disk may have no storage */ }
});
let remembered = null;
try { remembered = localStorage.getItem("edgesim-theme"); } catch { /* the same */ }
setTheme(THEMES.includes(remembered) ? remembered : "auto");
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  drawn.forEach((figure) => figure.retheme(pageLook())));

// Paper is light and narrower than most windows, and shows what was never scrolled to.
const PAPER_WIDTH = 340;
const WHOLE_PAPER = 700;
const PAPER_ROWS = 60;
const PAPER_FONT = 8;
const paperWidth = (figure) => (figure.root.closest(".opening") ? WHOLE_PAPER : PAPER_WIDTH);
// Figures with a row per name are as high as they have rows.
const paperHeight = (figure) => Math.max(280, figure.spec.layout.height - 80);
// A table that is wider than paper even with its texts wrapped has a smaller font there.
const fitToPaper = (table) => {
  const shown = table.root.querySelector("table");
  shown.classList.add("paper");
  shown.style.width = "min-content";
  const need = shown.offsetWidth * PAPER_FONT / parseFloat(getComputedStyle(shown).fontSize);
  shown.style.width = "";
  shown.style.setProperty("--paper", `${PAPER_FONT * Math.min(1, WHOLE_PAPER / need)}px`);
};
const tablesShown = () => [...document.querySelectorAll("[data-table]")].map((root) => root.table).filter(Boolean);
window.addEventListener("beforeprint", () => {
  drawn.forEach((figure) => { figure.draw(); Plotly.relayout(figure.plot, { ...themed(LIGHT), width: paperWidth(figure), height: paperHeight(figure) }); });
  tablesShown().forEach((table) => { table.show(Math.max(table.size, PAPER_ROWS)); fitToPaper(table); });
});
window.addEventListener("afterprint", () => {
  drawn.forEach((figure) => Plotly.relayout(figure.plot,
    { ...themed(pageLook()), width: null, height: figure.spec.layout.height, autosize: true }));
  tablesShown().forEach((table) => { table.show(); table.root.querySelector("table").classList.remove("paper"); });
});
document.documentElement.dataset.ready = "yes";
