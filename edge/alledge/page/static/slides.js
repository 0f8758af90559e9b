// All slides, newest first, more of them on demand.
import "./frame.js";
import { ask, byId, element, t, timeText, trying } from "./common.js";

let before = null;

function state(slide) {
  if (slide.is_signed) return element("span", { class: "chip good", text: `✓ ${t("page.slides.signed")}` });
  if (slide.ended && !slide.cells) return element("span", { class: "chip soft", text: `– ${t("page.slides.empty")}` });
  if (slide.ended) return element("span", { class: "chip wait", text: `? ${t("page.slides.to-review")}` });
  return element("span", { class: "chip soft", text: `● ${t("page.slides.counting")}` });
}

function row(slide) {
  const link = element("a", { href: `/slides/${slide.slide}`, text: slide.identifier });
  return element("tr", {},
    element("th", { scope: "row" }, link),
    element("td", {}, state(slide)),
    element("td", { text: timeText(slide.started) }),
    element("td", { class: "number", text: slide.fields }),
    element("td", { class: "number", text: slide.cells }));
}

async function load() {
  const told = await trying(() => ask("GET", before === null ? "/api/slides" : `/api/slides?before=${before}`));
  byId("none").hidden = Boolean(told) || byId("slides").childElementCount > 0; // the reason goes with its notice
  if (!told) return;
  byId("slides").append(...told.slides.map(row));
  before = told.before;
  byId("more").hidden = before === null;
  byId("none").hidden = byId("slides").childElementCount > 0;
  filter();
}

function filter() {
  const wanted = byId("find").value.trim().toLowerCase();
  for (const line of byId("slides").children) {
    line.hidden = !line.firstElementChild.textContent.toLowerCase().includes(wanted);
  }
}

byId("more").addEventListener("click", load);
byId("find").addEventListener("input", filter);
await load();
