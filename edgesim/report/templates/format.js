// How values are written: the same texts as edgesim/report/columns.py gives (a test compares them).
const UNKNOWN = "–";
const known = (value) => typeof value === "number" && Number.isFinite(value);

// Like Python's format: a number exactly between two neighbours goes to the even one.
const fixed = (value, digits) => {
  const doubled = value * 2 ** (digits + 1);
  if (!Number.isInteger(doubled) || doubled % 2 === 0) return value.toFixed(digits);
  const below = Math.floor(value * 10 ** digits);
  return ((below % 2 === 0 ? below : below + 1) / 10 ** digits).toFixed(digits);
};
// One formatter for all: `toLocaleString` looks its locale up at every call, for half a million cells.
const thousands = new Intl.NumberFormat("en-US");
const positive = (text) => (Number(text) === 0 ? text.replace("-", "") : text);
const grouped = (value) => thousands.format(Number(positive(fixed(value, 0))));

// Python's "%.{digits}g".
const general = (value, digits) => {
  if (value === 0) return "0";
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  const trim = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (power >= -4 && power < digits) return trim(fixed(value, digits - 1 - power));
  return `${trim(mantissa)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
};

const signed = (text) => (text.startsWith("-") ? text : `+${text}`);
const FORMS = {
  text: (value) => (value === null || value === "" ? UNKNOWN : String(value)),
  percent: (value) => (known(value) ? `${positive(fixed(100 * value, 1))} %` : UNKNOWN),
  spread: (value) => (known(value) ? `${positive(fixed(100 * value, 1))} pp` : UNKNOWN),
  gap: (value) => (known(value) ? `${signed(positive(fixed(100 * value, 2)))} pp` : UNKNOWN),
  ratio: (value) => (known(value) ? general(value, 4) : UNKNOWN),
  quantity: (value) => {
    if (!known(value)) return UNKNOWN;
    const size = Math.abs(value);
    return size >= 1000 && size < 1e9 ? grouped(value) : general(value, 4);
  },
  p_value: (value) => (!known(value) ? UNKNOWN : value < 1e-4 ? "< 0.0001" : general(value, 2)),
  plain_count: (value) => (known(value) ? String(Math.trunc(value) + 0) : UNKNOWN),
  count: (value) => (known(value) ? thousands.format(Math.trunc(value) + 0) : UNKNOWN),
};
