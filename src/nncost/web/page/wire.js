// JSON whose integers are of any size: those that a float would round arrive as text in digits.

const TOKEN = /"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/g;
const SAFE_DIGITS = 15;

/** What a JSON text holds; integers of more than 15 digits are strings. */
export function parsed(text) {
  return JSON.parse(text.replace(TOKEN, (token) => (isLong(token) ? `"${token}"` : token)));
}

function isLong(token) {
  return token.length > SAFE_DIGITS && token[0] !== '"' && /^-?[0-9]+$/.test(token);
}
