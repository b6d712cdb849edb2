// Colours of the map: the page's own (css/tokens.css, light or dark) and those of the tiers.

const NAMES = { paper: "--map-paper", shape: "--map-shape", shapeLine: "--map-shape-line", gone: "--map-gone", heldBy: "--map-held", ink: "--map-ink",
  surface: "--surface", mine: "--mine", mineInk: "--mine-ink", bad: "--bad", soft: "--ink-soft" };

export function readTheme(root = document.documentElement) {
  const style = getComputedStyle(root);
  const theme = {};
  for (const [name, property] of Object.entries(NAMES)) theme[name] = style.getPropertyValue(property).trim();
  // Deep colours that stand out on paper would sink into the dark.
  const lift = Number(style.getPropertyValue("--map-lift"));
  theme.tier = (colour) => mix(colour, "#ffffff", lift);
  theme.font = style.getPropertyValue("--text").trim();
  return theme;
}

function channels(hex) {
  const full = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, "$&$&") : hex;
  const value = parseInt(full.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** `share` of colour b in colour a; both "#rrggbb". */
export function mix(a, b, share) {
  const [from, to] = [channels(a), channels(b)];
  const mixed = from.map((value, i) => Math.round(value + (to[i] - value) * share));
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** Relative luminance after WCAG 2. */
export function luminance(hex) {
  const [r, g, b] = channels(hex).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The one of two inks that is easier to read on a colour. */
export function inkOn(hex) {
  return luminance(hex) > 0.22 ? "#14211d" : "#ffffff";
}
