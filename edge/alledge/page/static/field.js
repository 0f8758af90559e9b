// Draws a field: the picture, a box and a name for each cell, a scale bar. Meaning is in shape and letter
// first: findings have thick boxes and a triangle, cells that wait dashed ones and a question mark. What waits
// bears its likeliest label: the call goes by the threshold, and "normal 29 %" would puzzle whoever reads it.
import { labelText, wholePercent } from "./common.js";

const css = getComputedStyle(document.documentElement);
const colour = (name) => css.getPropertyValue(`--${name}`).trim();
const BAR_UM = 10;

/** Draw what was told of a field on a canvas, over its picture. */
export function drawField(canvas, picture, told, positive, showsBoxes) {
  if (canvas.width !== told.width || canvas.height !== told.height) {
    canvas.width = told.width;
    canvas.height = told.height;
  }
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0);
  // What is one pixel on the screen is more in the picture when it is shown reduced.
  const shown = Math.min(canvas.clientWidth / canvas.width, canvas.clientHeight / canvas.height) || 1;
  const unit = Math.max(1, 1 / shown);
  const taken = (told.cells ?? []).map((cell) => cell.box);
  if (showsBoxes) drawCells(pen, told.cells ?? [], positive, unit, taken);
  if (told.pixel_um) drawScaleBar(pen, canvas, told.pixel_um, unit, taken);
}

function drawCells(pen, cells, positive, unit, taken) {
  for (const cell of cells) drawBox(pen, cell, look(cell, positive), unit);
  for (const cell of cells) if (cell.label !== null) drawName(pen, cell, look(cell, positive), taken, unit);
}

function look(cell, positive) {
  if (cell.label === null) return { colour: colour("other"), width: 2, mark: "" };
  if (cell.review) return { colour: colour("wait"), width: 2, mark: "? ", dash: [7, 5] };
  if (positive.includes(cell.label)) return { colour: colour("finding"), width: 4, mark: "▲ " };
  return { colour: colour("other"), width: 2, mark: "" };
}

function drawBox(pen, cell, style, unit) {
  const [x0, y0, x1, y1] = cell.box;
  pen.strokeStyle = style.colour;
  pen.lineWidth = style.width * unit;
  pen.setLineDash((style.dash ?? []).map((length) => length * unit));
  pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
  pen.setLineDash([]);
}

const meet = ([ax0, ay0, ax1, ay1], [bx0, by0, bx1, by1]) => ax0 < bx1 && bx0 < ax1 && ay0 < by1 && by0 < ay1;

const likeliest = (cell) => Object.keys(cell.p).reduce((a, b) => (cell.p[b] > cell.p[a] ? b : a), cell.label);

/** A name lies where it hides no cell and no other name; where cells crowd, only a letter in the corner. */
function drawName(pen, cell, style, taken, unit) {
  const [x0, y0, , y1] = cell.box;
  const height = 18 * unit;
  pen.font = `600 ${13 * unit}px system-ui, sans-serif`;
  const label = cell.review ? likeliest(cell) : cell.label;
  const name = `${style.mark}${labelText(label)}`;
  for (const text of [`${name} ${wholePercent(cell.p[label])}`, name]) {
    const width = pen.measureText(text).width + 8 * unit;
    const left = Math.max(0, Math.min(x0, pen.canvas.width - width));
    for (const top of [y0 - height, y1]) {
      const area = [left, top, left + width, top + height];
      const isFree = top >= 0 && area[3] <= pen.canvas.height && !taken.some((other) => meet(area, other));
      if (isFree) return write(pen, text, area, style.colour, unit, taken);
    }
  }
  const letter = style.mark.trim() || labelText(label)[0].toUpperCase();
  const width = pen.measureText(letter).width + 8 * unit;
  return write(pen, letter, [x0, y0, x0 + width, y0 + height], style.colour, unit, taken);
}

function write(pen, text, area, ground, unit, taken) {
  pen.fillStyle = ground;
  pen.fillRect(area[0], area[1], area[2] - area[0], area[3] - area[1]);
  pen.fillStyle = "#101418";
  pen.fillText(text, area[0] + 4 * unit, area[1] + 13.5 * unit);
  taken.push(area);
}

/** The scale bar lies in the lower corner where it hides no cell, if there is one. */
function drawScaleBar(pen, canvas, pixelUm, unit, taken) {
  pen.font = `600 ${14 * unit}px system-ui, sans-serif`;
  const length = BAR_UM / pixelUm;
  const plate = Math.max(length, pen.measureText(`${BAR_UM} µm`).width) + 16 * unit;
  const y = canvas.height - 16 * unit;
  const corners = [canvas.width - 8 * unit - plate / 2, 8 * unit + plate / 2];
  const isFree = (x) => !taken.some((other) => meet([x - plate / 2, y - 26 * unit, x + plate / 2, canvas.height], other));
  const centre = corners.find(isFree) ?? corners[0];
  pen.fillStyle = "rgb(255 255 255 / 85%)";
  pen.fillRect(centre - plate / 2, y - 26 * unit, plate, 36 * unit);
  pen.fillStyle = "#000";
  pen.fillRect(centre - length / 2, y - 4 * unit, length, 5 * unit);
  pen.textAlign = "center";
  pen.fillText(`${BAR_UM} µm`, centre, y - 9 * unit);
  pen.textAlign = "left";
}
