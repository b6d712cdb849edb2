// Small charts that the tests share, in wire form.

/** Two straight rows, one arc and a standing area: 3 + 2 + 3 + 10 places. */
export function smallChart() {
  return {
    v: 1, name: "Small Hall", kind: "theatre", seats: 18, box: [0, 0, 1000, 1000], focus: [500, 0],
    zones: ["Stalls", "Circle", "Floor"], shapes: [{ kind: "stage", label: "Stage", outline: [400, 0, 600, 0, 600, 50, 400, 50] }],
    sections: [
      { name: "A", zone: 0, standing: false, outline: [0, 100, 300, 100, 300, 300, 0, 300], at: [150, 200], first: 0, count: 5,
        rows: [{ name: "1", count: 3, from: 1, step: 1, line: [50, 150, 150, 150] }, { name: "2", count: 2, from: 2, step: 2, line: [50, 250, 100, 250] }] },
      { name: "B", zone: 1, standing: false, outline: [400, 400, 900, 400, 900, 900, 400, 900], at: [650, 650], first: 5, count: 3,
        rows: [{ name: "1", count: 3, from: 10, step: -1, arc: [500, 500, 100, 0, 15708] }] },
      { name: "Floor", zone: 2, standing: true, outline: [0, 500, 300, 500, 300, 900, 0, 900], at: [150, 700], first: 8, count: 10, rows: [] },
    ],
    accessible: [[0, 2]], restricted: [[1, 1], [7, 1]],
  };
}

/** The binary answer of the availability endpoint for these statuses. */
export function packed(version, statuses) {
  const buffer = new ArrayBuffer(12 + Math.ceil(statuses.length / 4));
  const view = new DataView(buffer);
  view.setBigUint64(0, BigInt(version));
  view.setUint32(8, statuses.length);
  const bytes = new Uint8Array(buffer, 12);
  statuses.forEach((status, seat) => { bytes[seat >> 2] |= status << (2 * (seat & 3)); });
  return buffer;
}
