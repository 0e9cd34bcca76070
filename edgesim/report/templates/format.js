// Numbers as text, by the rules that Python sends with each column (edgesim/formatting.py, NumberFormat): tables turn
// pages and filter rows in the browser, and the texts of half a million cells would double a large page.
const UNKNOWN = {{ unknown|tojson }};
const MOST_PLAIN = {{ most_plain }};
// One formatter for all: `toLocaleString` looks its locale up at every call.
const thousands = new Intl.NumberFormat("en-US", { maximumFractionDigits: 20 });

// Like Python's format: a number exactly between two neighbours goes to the even one, and zero has no sign.
const fixed = (value, decimals) => {
  const doubled = value * 2 ** (decimals + 1);
  let text = value.toFixed(decimals);
  if (Number.isInteger(doubled) && doubled % 2 !== 0) {
    const below = Math.floor(value * 10 ** decimals);
    text = ((below % 2 === 0 ? below : below + 1) / 10 ** decimals).toFixed(decimals);
  }
  return Number(text) === 0 ? text.replace("-", "") : text;
};

// Python's "%.{digits}g".
const general = (value, digits) => {
  if (value === 0) return "0";
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  const trim = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (power >= -4 && power < digits) return trim(fixed(value, digits - 1 - power));
  return `${trim(mantissa)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
};

const grouped = (text) => {
  const [whole, rest] = text.split(".");
  return thousands.format(Number(whole)).replace(/^0/, whole.startsWith("-") ? "-0" : "0") + (rest === undefined ? "" : `.${rest}`);
};

// The writer of a column's values; `form` is null for texts, else the settings that differ from the defaults.
const writer = (form) => {
  if (form === null) return (value) => (value === null || value === "" ? UNKNOWN : String(value));
  const { digits = 4, decimals, factor = 1, unit = "", sign = false, grouping = true, least = -Infinity } = form;
  return (value) => {
    if (typeof value !== "number" || !Number.isFinite(value)) return UNKNOWN;
    if (value < least) return `<${least}`;
    const number = factor * value, size = Math.abs(number);
    const whole = decimals === undefined && size >= 10 ** (digits - 1) && size < MOST_PLAIN;
    let text = whole ? fixed(number, 0) : decimals === undefined ? general(number, digits) : fixed(number, decimals);
    if (grouping && !text.includes("e")) text = grouped(text);
    return `${sign && !text.startsWith("-") ? "+" : ""}${text}${unit}`;
  };
};
