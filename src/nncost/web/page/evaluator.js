// Trees of integer expressions (nncost/notation/tree.py) at whole numbers of any size.

const INTEGER = /^-?[0-9]+$/;

/** A size that a formula needs is not there, or a quotient leaves a remainder: the sizes do not fit together. */
export class NoValue extends Error {}

/**
 * The value of a tree as a BigInt. `sizes` holds a BigInt for each symbol, and for a family of sizes a function from the
 * number of a member (BigInt) to its size.
 */
export function evaluate(tree, sizes) {
  if (typeof tree === "string") return INTEGER.test(tree) ? BigInt(tree) : sizeOf(tree, sizes);
  const [operator, ...parts] = tree;
  if (operator === "sum") return sumOver(parts, sizes);
  if (operator === "at") return sizeOf(parts[0], sizes)(evaluate(parts[1], sizes));
  return combined(operator, parts.map((part) => evaluate(part, sizes)));
}

function sizeOf(name, sizes) {
  if (!Object.hasOwn(sizes, name)) throw new NoValue(`no size for ${name}`);
  return sizes[name];
}

const MOST_TERMS = 100000n;

function sumOver([index, first, last, inner], sizes) {
  const [from, to] = [evaluate(first, sizes), evaluate(last, sizes)];
  if (to - from > MOST_TERMS) throw new NoValue("a sum of too many terms");
  let total = 0n;
  const inside = { ...sizes };
  for (let number = from; number <= to; number++) {
    inside[index] = number;
    total += evaluate(inner, inside);
  }
  return total;
}

const MOST_BITS = 400000n;

function combined(operator, numbers) {
  const [first, second] = numbers;
  switch (operator) {
    case "+": return numbers.reduce((total, number) => total + number, 0n);
    case "*": return numbers.reduce((total, number) => total * number, 1n);
    case "neg": return -first;
    case "^":
      if (BigInt(bitLength(first)) * second > MOST_BITS) throw new NoValue("a number of too many digits");
      return first ** second;
    case "max": return numbers.reduce((most, number) => (number > most ? number : most));
    case "floor": return floorDivide(first, second);
    case "ceil": return -floorDivide(-first, second);
    case "/": return exactly(first, second);
    case "log2": return BigInt(bitLength(first - 1n));
    default: throw new NoValue(`no operator ${operator}`);
  }
}

function floorDivide(numerator, denominator) {
  if (denominator === 0n) throw new NoValue("a division by zero");
  const quotient = numerator / denominator;
  const leavesRest = numerator % denominator !== 0n;
  return leavesRest && numerator < 0n !== denominator < 0n ? quotient - 1n : quotient;
}

function exactly(numerator, denominator) {
  if (denominator === 0n || numerator % denominator !== 0n) throw new NoValue("a quotient that leaves a remainder");
  return numerator / denominator;
}

function bitLength(number) {
  const positive = number < 0n ? -number : number;
  return positive === 0n ? 0 : positive.toString(2).length;
}

/** The value of a tree, or null where it has none. */
export function valueOrNull(tree, sizes) {
  if (tree === null || tree === undefined) return null;
  try {
    return evaluate(tree, sizes);
  } catch (error) {
    if (error instanceof NoValue) return null;
    throw error;
  }
}
