// Figures: drawn when they come into view, in the page's colours, with a legend that wraps and works by keyboard.
const GLYPHS = {
  circle: "●", square: "■", diamond: "◆", "triangle-up": "▲", x: "✖", star: "★", cross: "✚", "triangle-down": "▼",
  pentagon: "⬟", hexagon: "⬢", "circle-open": "○", "square-open": "□", "line-ew-open": "━", "line-ns-open": "┃", "diamond-tall": "♦", line: "━", dash: "╍", dot: "┅",
};
const LIGHT = {{ colours.light|tojson }};
const DRAW_AHEAD = "300px";
// Shares on axes and under the pointer read "50 %", as everywhere on the page. Of d3's signs plotly lets a locale set
// that of a currency only, so formats of shares have its place, $, before the %.
Plotly.register({ moduleType: "locale", name: "en-US", dictionary: {}, format: { currency: ["", " %"] } });

const pageLook = () => {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(Object.keys(LIGHT).map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
};

const themed = (look) => {
  const change = { "font.color": look.ink, "modebar.color": look.soft, "modebar.activecolor": look.ink,
    "hoverlabel.bgcolor": look.raised, "hoverlabel.font.color": look.ink, "hoverlabel.bordercolor": look.soft };
  for (const axis of ["xaxis", "yaxis"]) {
    change[`${axis}.gridcolor`] = look.line;
    change[`${axis}.linecolor`] = look.line;
    change[`${axis}.zerolinecolor`] = look.soft;
  }
  return change;
};

const unescaped = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

class PageFigure {
  constructor(root, spec) {
    this.root = root;
    this.spec = spec;
    // Marks without an interval get no bar: for null plotly would draw one of length zero.
    for (const bars of spec.data.flatMap((trace) => [trace.error_x, trace.error_y]).filter(Boolean)) {
      for (const end of ["array", "arrayminus"]) bars[end] = bars[end].map((value) => (value === null ? NaN : value));
    }
    this.plot = root.querySelector(".plot");
    this.hidden = new Set();
    this.drawn = false;
    this.choices = [...root.closest("section").querySelectorAll("select[data-choice]")];
    this.choices.forEach((select) => select.addEventListener("change", () => this.refresh()));
    this.legend = element("ul", { className: "legend" });
    this.legend.setAttribute("aria-label", "Legend: press to hide or show");
    const save = element("div", { className: "save" }, ...["svg", "png"].map((format) => {
      const button = element("button", { type: "button", textContent: format.toUpperCase() });
      button.setAttribute("aria-label", `Save as ${format.toUpperCase()}: ${root.querySelector("h3").textContent}`);
      button.addEventListener("click", () => this.save(format));
      return button;
    }));
    this.plot.after(this.legend, save);
    this.hideIfEmpty();
  }

  group(trace) {
    return trace.legendgroup || trace.name;
  }

  chosen(trace) {
    return this.choices.every((select) => {
      const value = (trace.meta || {})[select.dataset.choice];
      return value === undefined || value === null || String(value) === select.value;
    });
  }

  visible() {
    return this.spec.data.map((trace) => this.chosen(trace) && !this.hidden.has(this.group(trace)));
  }

  draw() {
    if (this.drawn) return;
    this.drawn = true;
    const shown = this.visible();
    // A finger that moves over a figure scrolls the page.
    const touch = window.matchMedia("(pointer: coarse)").matches;
    const layout = { ...this.spec.layout, showlegend: false, dragmode: touch ? false : "zoom" };
    const traces = this.spec.data.map((trace, place) => ({ ...trace, visible: shown[place] }));
    const settings = { responsive: true, displaylogo: false, displayModeBar: touch ? false : "hover",
      modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] };
    Plotly.newPlot(this.plot, traces, layout, settings);
    Plotly.relayout(this.plot, themed(pageLook()));
    this.adjust();
    this.addLegend();
  }

  // Adjust to the width and to the choices: ticks of a logarithmic axis that shows little of its range, and the size of
  // squares that would overlap.
  adjust() {
    const full = this.plot._fullLayout;
    for (const axis of ["xaxis", "yaxis"]) {
      const own = this.spec.layout[axis];
      if (own.type !== "log" || !own.tickvals) continue;
      const [low, high] = full[axis].range;
      const inside = own.tickvals.filter((value) => low <= Math.log10(value) && Math.log10(value) <= high);
      Plotly.relayout(this.plot, { [`${axis}.tickmode`]: inside.length < 2 ? "auto" : "array" });
    }
    const places = this.spec.data.flatMap((trace, place) => (trace.marker && trace.marker.colorscale ? [place] : []));
    if (!places.length) return;
    const size = Math.min(this.spec.data[places[0]].marker.size, 0.75 * full._size.w / full.xaxis._categories.length);
    Plotly.restyle(this.plot, { "marker.size": Math.max(4, size) }, places);
  }

  // Hide a figure without anything for the current choices.
  hideIfEmpty() {
    this.root.hidden = !this.spec.data.some((trace) => this.chosen(trace));
  }

  refresh() {
    this.hideIfEmpty();
    if (!this.drawn) return;
    Plotly.restyle(this.plot, { visible: this.visible() });
    Plotly.relayout(this.plot, { "xaxis.autorange": true, "yaxis.autorange": true, ...this.ranges() });
    this.adjust();
    this.addLegend();
  }

  // Axes that the figure itself sets keep what it set.
  ranges() {
    const kept = {};
    for (const axis of ["xaxis", "yaxis"]) {
      const own = this.spec.layout[axis];
      if (own.range) Object.assign(kept, { [`${axis}.autorange`]: false, [`${axis}.range`]: [...own.range] });
      else if (own.autorange) kept[`${axis}.autorange`] = own.autorange;
    }
    return kept;
  }

  addLegend() {
    const first = new Map();
    for (const trace of this.spec.data) {
      if (trace.showlegend !== false && this.chosen(trace) && !first.has(this.group(trace))) first.set(this.group(trace), trace);
    }
    this.legend.hidden = first.size < 2 || this.spec.layout.showlegend === false;
    const rank = ([, trace]) => trace.legendrank || 1000;
    this.legend.replaceChildren(...[...first].sort((a, b) => rank(a) - rank(b)).map(([group, trace]) => {
      const look = trace.marker && trace.mode !== "lines" ? trace.marker : trace.line || {};
      // Marks of one line may differ, hollow where pairs are missing; its entry has the full ones.
      const symbol = Array.isArray(look.symbol) ? look.symbol.find((one) => !one.endsWith("-open")) || look.symbol[0] : look.symbol;
      const mark = element("i", { textContent: GLYPHS[symbol || look.dash] || GLYPHS[(symbol || "").replace("-open", "")] || (trace.type === "bar" ? "■" : GLYPHS.line) });
      mark.style.color = typeof look.color === "string" ? look.color : "inherit";
      mark.setAttribute("aria-hidden", "true");
      const button = element("button", { type: "button" }, mark, unescaped(trace.name));
      button.setAttribute("aria-pressed", String(!this.hidden.has(group)));
      button.addEventListener("click", () => {
        if (!this.hidden.delete(group)) this.hidden.add(group);
        button.setAttribute("aria-pressed", String(!this.hidden.has(group)));
        Plotly.restyle(this.plot, { visible: this.visible() });
      });
      return element("li", {}, button);
    }));
  }

  retheme(look) {
    if (this.drawn) Plotly.relayout(this.plot, themed(look));
  }

  // A saved figure is for papers and slides: light, with its legend and title, in any theme of the page.
  async save(format) {
    this.draw();
    const title = this.root.querySelector("h3").textContent;
    const shown = this.visible();
    const axis = (own, now) => ({ ...own, tickmode: now.tickmode, gridcolor: LIGHT.line, linecolor: LIGHT.line, zerolinecolor: LIGHT.soft });
    // The legend has a strip of its own at the bottom: beside the axis it would lie on its title.
    const strip = this.legend.hidden ? 0 : 16 + 22 * Math.ceil(this.legend.children.length / 4);
    const height = this.spec.layout.height + 40 + strip;
    const legend = { orientation: "h", x: 0, xanchor: "left", yref: "container", y: 0, yanchor: "bottom" };
    const layout = { ...this.spec.layout, title: { text: title }, font: { color: LIGHT.ink }, paper_bgcolor: LIGHT.page,
      plot_bgcolor: LIGHT.page, width: 900, height, legend, margin: { l: 70, r: 20, t: 50, b: 60 + strip },
      xaxis: axis(this.spec.layout.xaxis, this.plot.layout.xaxis),
      yaxis: axis(this.spec.layout.yaxis, this.plot.layout.yaxis) };
    const data = this.spec.data.filter((_, place) => shown[place]);
    const url = await Plotly.toImage({ data, layout }, { format, width: 900, height, scale: format === "png" ? 2 : 1 });
    const link = element("a", { href: url, download: `${this.root.id}.${format}` });
    document.body.append(link);
    link.click();
    link.remove();
  }
}
