// Draws a field: the picture, a box and a name for each cell, a scale bar. Meaning is in shape and letter
// first: findings have thick boxes and a triangle, cells that wait dashed ones and a question mark.
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
  if (showsBoxes) for (const cell of told.cells ?? []) drawCell(pen, cell, positive, unit);
  if (told.pixel_um) drawScaleBar(pen, canvas, told.pixel_um, unit);
}

function look(cell, positive) {
  if (cell.label === null) return { colour: colour("other"), width: 2, mark: "" };
  if (cell.review) return { colour: colour("wait"), width: 2, mark: "? ", dash: [7, 5] };
  if (positive.includes(cell.label)) return { colour: colour("finding"), width: 4, mark: "▲ " };
  return { colour: colour("other"), width: 2, mark: "" };
}

function drawCell(pen, cell, positive, unit) {
  const [x0, y0, x1, y1] = cell.box;
  const style = look(cell, positive);
  pen.strokeStyle = style.colour;
  pen.lineWidth = style.width * unit;
  pen.setLineDash((style.dash ?? []).map((length) => length * unit));
  pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
  pen.setLineDash([]);
  if (cell.label !== null) {
    write(pen, `${style.mark}${labelText(cell.label)} ${wholePercent(cell.p[cell.label])}`, x0, y0, style.colour, unit);
  }
}

function write(pen, text, x, y, ground, unit) {
  pen.font = `600 ${13 * unit}px system-ui, sans-serif`;
  const width = pen.measureText(text).width + 8 * unit;
  const height = 18 * unit;
  const left = Math.max(0, Math.min(x, pen.canvas.width - width));
  const top = Math.max(0, y - height);
  pen.fillStyle = ground;
  pen.fillRect(left, top, width, height);
  pen.fillStyle = "#101418";
  pen.fillText(text, left + 4 * unit, top + 13.5 * unit);
}

function drawScaleBar(pen, canvas, pixelUm, unit) {
  const length = BAR_UM / pixelUm;
  const margin = 16 * unit;
  const x = canvas.width - margin - length;
  const y = canvas.height - margin;
  pen.fillStyle = "rgb(255 255 255 / 85%)";
  pen.fillRect(x - 8 * unit, y - 26 * unit, length + 16 * unit, 36 * unit);
  pen.fillStyle = "#000";
  pen.fillRect(x, y - 4 * unit, length, 5 * unit);
  pen.font = `600 ${14 * unit}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.fillText(`${BAR_UM} µm`, x + length / 2, y - 9 * unit);
  pen.textAlign = "left";
}
