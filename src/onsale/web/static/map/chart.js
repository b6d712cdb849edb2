// The seating chart: from its wire form (see the API documentation, lengths in cm, y downwards, angles in
// 1/10000 rad) to flat arrays that can be drawn and searched without making an object per seat.

export const ACCESSIBLE = 1;
export const RESTRICTED = 2;

const ANGLE = 1e-4;
/** Bounds of a drawn seat's radius in cm, whatever a chart's spacing says: a chair is a chair. */
const RADIUS_MIN_CM = 10;
const RADIUS_MAX_CM = 42;
/** Share of the room between two seats that a seat fills. */
const FILL = 0.41;

/**
 * The whole chart:
 *   x, y       Float32Array, centre of each seat in cm
 *   sectionOf  Uint16Array, rowOf Int32Array (-1 for standing places), marks Uint8Array (ACCESSIBLE | RESTRICTED)
 *   sections   [{index, name, zone, standing, outline, at, first, count, box, room: space for a label around `at`, rows: [from, to), pitch, radius}]
 *   rows       [{section, name, first, count, from, step, box}]: the spatial index; a row is a small box of seats
 */
export function decode(wire) {
  if (wire.v !== 1) throw new Error(`this page cannot read charts of version ${wire.v}`);
  const seats = wire.seats;
  const chart = {
    name: wire.name, kind: wire.kind, seats, zones: wire.zones, focus: wire.focus, shapes: wire.shapes,
    x: new Float32Array(seats), y: new Float32Array(seats),
    sectionOf: new Uint16Array(seats), rowOf: new Int32Array(seats).fill(-1), marks: new Uint8Array(seats),
    sections: [], rows: [], box: wire.box,
  };
  for (const section of wire.sections) addSection(chart, section);
  markRanges(chart.marks, wire.accessible || [], ACCESSIBLE);
  markRanges(chart.marks, wire.restricted || [], RESTRICTED);
  return chart;
}

function addSection(chart, wire) {
  const section = {
    index: chart.sections.length, name: wire.name, zone: wire.zone, standing: wire.standing,
    outline: Float32Array.from(wire.outline), at: wire.at, first: wire.first, count: wire.count,
    box: boxOf(wire.outline), room: roomAt(wire.outline, wire.at), rows: [chart.rows.length, chart.rows.length], pitch: 50, radius: 20,
  };
  chart.sections.push(section);
  chart.sectionOf.fill(section.index, section.first, section.first + section.count);
  if (section.standing) {
    chart.x.fill(section.at[0], section.first, section.first + section.count);
    chart.y.fill(section.at[1], section.first, section.first + section.count);
    return;
  }
  let first = section.first;
  for (const row of wire.rows) {
    addRow(chart, section, row, first);
    first += row.count;
  }
  section.rows[1] = chart.rows.length;
  section.pitch = pitchOf(chart, section);
  section.radius = Math.min(RADIUS_MAX_CM, Math.max(RADIUS_MIN_CM, section.pitch * FILL));
}

function addRow(chart, section, wire, first) {
  const points = [];
  for (let i = 0; i < wire.count; i += 1) {
    const [x, y] = seatPoint(wire, i);
    chart.x[first + i] = x;
    chart.y[first + i] = y;
    chart.rowOf[first + i] = chart.rows.length;
    points.push(x, y);
  }
  chart.rows.push({ section: section.index, name: wire.name, first, count: wire.count, from: wire.from, step: wire.step, box: boxOf(points) });
}

/** Seats stand evenly from one end of the row to the other, both ends taken. */
function seatPoint(row, i) {
  const share = row.count > 1 ? i / (row.count - 1) : 0;
  if (row.line) {
    const [x0, y0, x1, y1] = row.line;
    return [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share];
  }
  const [cx, cy, radius, a0, a1] = row.arc;
  const angle = (a0 + (a1 - a0) * share) * ANGLE;
  return [cx + radius * Math.cos(angle), cy + radius * Math.sin(angle)];
}

/** The room a seat has: the median distance of neighbours in a row or, when closer, of one row to the next. */
function pitchOf(chart, section) {
  const beside = [];
  const behind = [];
  for (let r = section.rows[0]; r < section.rows[1]; r += 1) {
    const row = chart.rows[r];
    if (row.count > 1) beside.push(distance(chart, row.first, row.first + 1));
    if (r + 1 < section.rows[1]) behind.push(nearestInRow(chart, chart.rows[r + 1], row.first + (row.count >> 1)));
  }
  const room = Math.min(median(beside), median(behind));
  return Number.isFinite(room) && room > 0 ? room : 50;
}

function nearestInRow(chart, row, seat) {
  let best = Infinity;
  for (let other = row.first; other < row.first + row.count; other += 1) best = Math.min(best, distance(chart, seat, other));
  return best;
}

function distance(chart, a, b) {
  return Math.hypot(chart.x[a] - chart.x[b], chart.y[a] - chart.y[b]);
}

function median(values) {
  return values.length === 0 ? Infinity : values.sort((a, b) => a - b)[values.length >> 1];
}

function boxOf(points) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    box[0] = Math.min(box[0], points[i]);
    box[1] = Math.min(box[1], points[i + 1]);
    box[2] = Math.max(box[2], points[i]);
    box[3] = Math.max(box[3], points[i + 1]);
  }
  return box;
}

/** How far a point is from the outline, to the sides and up and down: [half width, half height] of what fits. */
export function roomAt(outline, [x, y]) {
  const room = [Infinity, Infinity];
  for (let i = 0, j = outline.length - 2; i < outline.length; j = i, i += 2) {
    const [x0, y0, x1, y1] = [outline[j], outline[j + 1], outline[i], outline[i + 1]];
    if (y0 > y !== y1 > y) room[0] = Math.min(room[0], Math.abs(x0 + ((x1 - x0) * (y - y0)) / (y1 - y0) - x));
    if (x0 > x !== x1 > x) room[1] = Math.min(room[1], Math.abs(y0 + ((y1 - y0) * (x - x0)) / (x1 - x0) - y));
  }
  return room.map((half) => (Number.isFinite(half) ? half : 0));
}

/** The centre of gravity of an outline, where a label of it belongs. */
export function middleOf(outline) {
  let [area, x, y] = [0, 0, 0];
  for (let i = 0, j = outline.length - 2; i < outline.length; j = i, i += 2) {
    const cross = outline[j] * outline[i + 1] - outline[i] * outline[j + 1];
    area += cross;
    x += (outline[j] + outline[i]) * cross;
    y += (outline[j + 1] + outline[i + 1]) * cross;
  }
  return area === 0 ? [outline[0], outline[1]] : [x / (3 * area), y / (3 * area)];
}

function markRanges(marks, ranges, flag) {
  for (const [first, count] of ranges) for (let seat = first; seat < first + count; seat += 1) marks[seat] |= flag;
}

/** As printed on the ticket: {section, row, seat}; row is null for a standing place. */
export function label(chart, seat) {
  const section = chart.sections[chart.sectionOf[seat]];
  if (section.standing) return { section: section.name, row: null, seat: String(seat - section.first + 1) };
  const row = chart.rows[chart.rowOf[seat]];
  return { section: section.name, row: row.name, seat: String(row.from + row.step * (seat - row.first)) };
}

/** "Section 101", but "Rear Stalls": a number or letter alone needs the word. */
export function sectionWords(name) {
  return name.length <= 4 ? `Section ${name}` : name;
}

/** "101, row A, seat 13" */
export function words(place) {
  if (place.row) return `${place.section}, row ${place.row}, seat ${place.seat}`;
  return place.seat ? `${place.section}, place ${place.seat}` : place.section;
}

/** Whether a box reaches into a window [x0, y0, x1, y1], both widened by `margin` cm. */
export function touches(box, x0, y0, x1, y1, margin = 0) {
  return box[0] <= x1 + margin && box[2] >= x0 - margin && box[1] <= y1 + margin && box[3] >= y0 - margin;
}

/** The seat nearest to a point, no further than `reach` cm, or -1. Standing places have no spot of their own. */
export function seatNear(chart, x, y, reach) {
  let best = -1;
  let bestSquare = reach * reach;
  for (const section of chart.sections) {
    if (section.standing || !touches(section.box, x, y, x, y, reach + section.pitch)) continue;
    for (let r = section.rows[0]; r < section.rows[1]; r += 1) {
      const row = chart.rows[r];
      if (!touches(row.box, x, y, x, y, reach)) continue;
      for (let seat = row.first; seat < row.first + row.count; seat += 1) {
        const square = (chart.x[seat] - x) ** 2 + (chart.y[seat] - y) ** 2;
        if (square <= bestSquare) {
          bestSquare = square;
          best = seat;
        }
      }
    }
  }
  return best;
}

/** The section whose outline holds a point, or null. Later sections lie on top of earlier ones. */
export function sectionAt(chart, x, y) {
  for (let i = chart.sections.length - 1; i >= 0; i -= 1) {
    const section = chart.sections[i];
    if (touches(section.box, x, y, x, y) && inside(section.outline, x, y)) return section;
  }
  return null;
}

function inside(outline, x, y) {
  let within = false;
  for (let i = 0, j = outline.length - 2; i < outline.length; j = i, i += 2) {
    const crosses = outline[i + 1] > y !== outline[j + 1] > y;
    if (crosses && x < ((outline[j] - outline[i]) * (y - outline[i + 1])) / (outline[j + 1] - outline[i + 1]) + outline[i]) within = !within;
  }
  return within;
}

/** Which tier prices each section: Int8Array of indexes into `tiers`, -1 where none does (not for sale). */
export function tierOfSections(chart, tiers) {
  return Int8Array.from(chart.sections, (section) => tiers.findIndex((tier) => tier.zones.includes(section.zone)));
}
