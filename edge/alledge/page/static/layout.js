// Where each tile of a gallery lies: groups under each other, rows of tiles in each. Pure numbers, so that
// 20,000 cells are laid out in milliseconds and only the rows in sight exist as elements.

export const HEAD = 44;
const GAP = 8;
const NOTE = 20 + 12; // the line under a patch, and the tile's own border and padding

/** Lay out groups `{cells: [...]}` in a width. */
export function layOut(groups, width, tile) {
  const rowHeight = tile + NOTE - 12 + GAP + 4;
  const columns = Math.max(1, Math.floor((width - GAP) / (tile + GAP)));
  const blocks = [];
  let top = 0;
  let first = 0;
  for (const group of groups) {
    const rows = Math.ceil(group.cells.length / columns);
    blocks.push({ group, top, first, rows, end: top + HEAD + rows * rowHeight });
    top += HEAD + rows * rowHeight + GAP;
    first += group.cells.length;
  }
  return { blocks, columns, rowHeight, tile, height: top, count: first };
}

/** Where the tile at a place of the whole order lies. */
export function placeOf(layout, at) {
  const block = layout.blocks.findLast((candidate) => candidate.first <= at && candidate.group.cells.length > 0);
  const within = at - block.first;
  const row = Math.floor(within / layout.columns);
  return { x: GAP + (within % layout.columns) * (layout.tile + GAP), y: block.top + HEAD + row * layout.rowHeight };
}

/** [first, end) of the places in sight, per block. */
export function inSight(layout, top, bottom) {
  const ranges = [];
  for (const block of layout.blocks) {
    if (block.end < top || block.top > bottom) continue;
    const from = Math.max(0, Math.floor((top - block.top - HEAD) / layout.rowHeight));
    const to = Math.min(block.rows, Math.ceil((bottom - block.top - HEAD) / layout.rowHeight));
    ranges.push({
      block,
      first: block.first + from * layout.columns,
      end: Math.min(block.first + block.group.cells.length, block.first + Math.max(from, to) * layout.columns),
    });
  }
  return ranges;
}

/** The place reached from one by an arrow key; rows above and below keep the column as well as they can. */
export function step(layout, at, key) {
  if (key === "ArrowLeft") return Math.max(0, at - 1);
  if (key === "ArrowRight") return Math.min(layout.count - 1, at + 1);
  if (key === "Home") return 0;
  if (key === "End") return layout.count - 1;
  const here = placeOf(layout, at);
  const down = key === "ArrowDown" || key === "PageDown";
  const rows = key.startsWith("Page") ? 4 : 1;
  let reached = at;
  for (let moved = 0; moved < rows; moved += 1) {
    let next = reached;
    const y = placeOf(layout, reached).y;
    while (next >= 0 && next < layout.count && placeOf(layout, next).y === y) next += down ? 1 : -1;
    if (next < 0 || next >= layout.count) break;
    const rowY = placeOf(layout, next).y;
    while (next >= 0 && next < layout.count && placeOf(layout, next).y === rowY && placeOf(layout, next).x !== here.x) {
      const following = next + (down ? 1 : -1);
      if (following < 0 || following >= layout.count || placeOf(layout, following).y !== rowY) break;
      next = following;
    }
    reached = next;
  }
  return reached;
}
