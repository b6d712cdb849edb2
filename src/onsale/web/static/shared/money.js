// Money is whole minor units with a currency; nothing here ever adds fractions.

const digits = new Map();

/** How many digits of the minor unit a currency has: 2 for EUR, 0 for JPY, 3 for KWD. */
export function minorDigits(currency) {
  if (!digits.has(currency)) {
    const format = new Intl.NumberFormat("en", { style: "currency", currency });
    digits.set(currency, format.resolvedOptions().maximumFractionDigits);
  }
  return digits.get(currency);
}

/** {"amount": 21000, "currency": "EUR"} -> "€210.00". Exact as long as the amount is a safe integer. */
export function format(money, locale = "en") {
  const scale = 10 ** minorDigits(money.currency);
  const style = { style: "currency", currency: money.currency, currencyDisplay: "narrowSymbol" };
  return new Intl.NumberFormat(locale, style).format(money.amount / scale);
}

/** The sum of a list of amounts in one currency, or null of an empty list. Throws on mixed currencies. */
export function sum(amounts) {
  if (amounts.length === 0) return null;
  const { currency } = amounts[0];
  let amount = 0;
  for (const each of amounts) {
    if (each.currency !== currency) throw new Error(`cannot add ${each.currency} to ${currency}`);
    amount += each.amount;
  }
  return { amount, currency };
}
