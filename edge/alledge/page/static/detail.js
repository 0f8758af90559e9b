// One cell close up: the model's call and the person's, the probabilities, the morphology, who said what.
import { ask, byId, decimal, element, labelText, oneOf, percent, Problem, t, timeText } from "./common.js";

let asked = null;

/** Show a cell, or nothing; the details follow when the server has told them. */
export async function showDetail(slide, cell, tell) {
  asked = cell?.index ?? null;
  byId("close-up").hidden = byId("close-up-scale").hidden = !cell;
  if (!cell) {
    for (const id of ["cell-word", "bars", "morphology", "history"]) byId(id).replaceChildren();
    return;
  }
  if (byId("close-up").getAttribute("src") !== cell.path) byId("close-up").src = cell.path;
  byId("close-up").alt = labelText(cell.label);
  let told;
  try {
    told = await ask("GET", `/api/slides/${slide}/cells/${cell.index}`);
  } catch (error) {
    if (error instanceof Problem) return;
    throw error;
  }
  if (asked !== cell.index) return;
  const reason = told.review_reason ? oneOf("reason", told.review_reason) : "";
  const model = modelWords(told);
  byId("cell-word").replaceChildren(
    element("strong", { text: labelText(cell.label) }), ` ${tell(cell)}`,
    element("span", { class: "sub", text: model }),
    ...(reason ? [element("span", { class: "sub", text: `? ${reason}` })] : []));
  byId("bars").replaceChildren(...Object.entries(told.p).map(([label, p]) => bar(label, p)));
  showMorphology(told);
  showHistory(told);
}

/** What the model says; where a cell waits and is likelier something else than the threshold makes it, both. */
function modelWords(told) {
  if (told.label === null) return t("page.gallery.no-model");
  const guess = Object.keys(told.p).reduce((a, b) => (told.p[b] > told.p[a] ? b : a), told.label);
  const isTorn = told.review && guess !== told.label;
  const p = percent(told.p[isTorn ? guess : told.label]);
  return t(isTorn ? "page.gallery.model-torn" : "page.gallery.model-says", { label: labelText(told.label), guess: labelText(guess), p });
}

function bar(label, p) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * p}%`;
  return element("div", { class: "row" }, element("span", { text: labelText(label) }), element("span", { class: "gauge", "aria-hidden": "true" }, fill), element("span", { class: "number", text: percent(p) }));
}

function showMorphology(told) {
  const facts = [
    ["diameter", `${decimal(told.diameter_um)} µm`],
    ["nucleus", `${decimal(told.nucleus_area_um2)} µm²`],
    ["ratio", decimal(told.nucleus_cytoplasm_ratio, 2)],
    ["roundness", decimal(told.roundness, 2)],
    ["texture", decimal(told.texture, 3)],
  ];
  if (told.slide_x_um !== null) facts.push(["place", `${decimal(told.slide_x_um)}, ${decimal(told.slide_y_um)} µm`]);
  facts.push(["field", `${told.field}`]);
  byId("morphology").replaceChildren(...facts.flatMap(([name, text]) => [element("dt", { text: t(`page.gallery.fact.${name}`) }), element("dd", { text })]));
}

function showHistory(told) {
  const words = told.history.map((word) => {
    const text = word.undoes === null ? labelText(word.label) : t("page.gallery.undid");
    return element("li", { class: word.stands ? "" : "gone" }, element("strong", { text }), ` ${word.who}, ${timeText(word.time)}`);
  });
  if (told.amendment) {
    const { label, who, time, reason } = told.amendment;
    words.push(element("li", {}, element("strong", { text: t("page.gallery.amended-to", { label: labelText(label) }) }), ` ${reason} – ${who}, ${timeText(time)}`));
  }
  byId("history").replaceChildren(...words);
  byId("history-title").hidden = words.length === 0;
}
