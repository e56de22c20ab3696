// Numbers as people read them; every amount is a BigInt, so that all its digits are there.

const SHOWN_DIGITS = 30;
const KEPT_DIGITS = 9;

/** `13002n` as `13,002`; of a giant the first and last digits and how many there are. */
export function exact(amount) {
  if (amount === null || amount === undefined) return "–";
  const digits = (amount < 0n ? -amount : amount).toString();
  const sign = amount < 0n ? "−" : "";
  if (digits.length > SHOWN_DIGITS) {
    return `${sign}${grouped(digits.slice(0, KEPT_DIGITS))},…,${grouped(digits.slice(-KEPT_DIGITS))} (${grouped(String(digits.length))} digits)`;
  }
  return sign + grouped(digits);
}

function grouped(digits) {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

const PREFIXES = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];

/** At most six characters where possible: `12,960`, `829.4k`, `4.090G`, `1.2e40`. */
export function compact(amount) {
  if (amount === null || amount === undefined) return "–";
  if (amount < 0n) return `−${compact(-amount)}`;
  if (amount < 100000n) return exact(amount);
  const [digits, power] = rounded(amount, 4);
  const prefix = Math.floor(power / 3);
  if (prefix < PREFIXES.length) {
    const whole = (power % 3) + 1;
    return `${digits.slice(0, whole)}.${digits.slice(whole)}${PREFIXES[prefix]}`;
  }
  return `${digits[0]}.${digits[1]}e${power}`;
}

/** The first `kept` digits of a number, rounded, and the power of ten of the first of them. */
function rounded(amount, kept) {
  const length = amount.toString().length;
  const unit = 10n ** BigInt(Math.max(0, length - kept));
  let digits = ((2n * amount + unit) / (2n * unit)).toString();
  let power = length - 1;
  if (digits.length > kept) {
    digits = digits.slice(0, kept);
    power += 1;
  }
  return [digits, power];
}

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Three digits and a decimal unit: `80.0 GB`. */
export function bytes(amount) {
  if (amount === null || amount === undefined) return "–";
  if (amount >= 10n ** 19n) return `${compact(amount)} B`;
  const number = Number(amount);
  let unit = 0;
  while (unit < BYTE_UNITS.length - 1 && number / 1000 ** unit >= 999.5) unit += 1;
  return `${unit === 0 ? number : threeDigits(number / 1000 ** unit)} ${BYTE_UNITS[unit]}`;
}

function threeDigits(number) {
  const decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  return number.toFixed(decimals);
}

const SECOND_UNITS = [[1e-9, "ns"], [1e-6, "µs"], [1e-3, "ms"], [1, "s"]];

/** Three digits and a unit: `45.2 µs`; minutes, hours, days and years above. */
export function seconds(amount) {
  if (amount === null || amount === undefined) return "–";
  if (amount === 0) return "0 s";
  if (amount < 120) {
    const [size, name] = [...SECOND_UNITS].reverse().find(([unit]) => amount >= unit * 0.9995) ?? SECOND_UNITS[0];
    return `${threeDigits(amount / size)} ${name}`;
  }
  if (amount < 7200) return `${threeDigits(amount / 60)} min`;
  if (amount < 172800) return `${threeDigits(amount / 3600)} h`;
  if (amount < 31536000) return `${threeDigits(amount / 86400)} d`;
  const years = amount / 31536000;
  return years < 1e4 ? `${threeDigits(years)} years` : `${years.toExponential(1)} years`;
}

/** How a number differs from the first one: `+12.5 %` up to twice and down to half of it, else `× 3.2`; nothing if equal. */
export function difference(amount, first) {
  if (amount === null || first === null || amount === undefined || first === undefined) return "";
  if (amount === first) return "=";
  if (first === 0n) return "new";
  if (amount === 0n) return "none";
  const thousandths = (amount * 1000n) / first;
  if (thousandths >= 500n && thousandths < 2000n) return percent(amount, first);
  if (amount > first) return `× ${factor(amount, first)}`;
  return `÷ ${factor(first, amount)}`;
}

/** What the words of `difference` say. */
export const DIFFERENCES = "“to A” compares with network A: more or less in %, × and ÷ from twice and half on, = as many; new: A has none of it; none: only A has it.";

function percent(amount, first) {
  const tenths = roundedQuotient((amount - first) * 1000n, first);
  const size = tenths < 0n ? -tenths : tenths;
  return `${tenths < 0n ? "−" : "+"}${size / 10n}.${size % 10n} %`;
}

function factor(larger, smaller) {
  const hundredths = roundedQuotient(larger * 100n, smaller);
  if (hundredths >= 10000n) return compact(roundedQuotient(larger, smaller));
  if (hundredths >= 1000n) {
    const tenths = roundedQuotient(larger * 10n, smaller);
    return `${tenths / 10n}.${tenths % 10n}`;
  }
  return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, "0")}`;
}

function roundedQuotient(numerator, denominator) {
  const doubled = 2n * numerator + (numerator < 0n ? -denominator : denominator);
  return doubled / (2n * denominator);
}

/** The whole number that a person typed: `60,000`, `4k`, `1e6`; null for anything that is none or below one. */
export function typed(text) {
  const plain = text.trim().replace(/[_,' \u00a0\u202f]/g, "");
  const match = /^([0-9]{1,1000})(?:([kKmMgG])|[eE]([0-9]{1,3}))?$/.exec(plain);
  if (match === null) return null;
  const power = match[3] ? BigInt(match[3]) : { k: 3n, m: 6n, g: 9n }[(match[2] ?? "").toLowerCase()] ?? 0n;
  const number = BigInt(match[1]) * 10n ** power;
  return number >= 1n && number.toString().length <= 1000 ? number : null;
}
