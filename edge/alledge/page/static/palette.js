// The second key of a reclassification: digits for the model's labels, letters for other kinds, X for no cell.
import { byId, element, labelText, notice, t } from "./common.js";

const keys = new Map(byId("gallery").dataset.kinds.split(";").filter(Boolean).map((pair) => {
  const [key, label] = pair.split("=");
  return [label, key];
}));

let choose = () => {};
let byKey = new Map();

/** Let a person choose a label; on a signed slide a reason is asked for too. */
export function openPalette(labels, asksWhy, whenChosen) {
  byKey = new Map([["x", null]]);
  let digit = 0;
  const buttons = labels.map((label) => {
    const letter = keys.get(label);
    if (letter) byKey.set(letter, label);
    const number = digit < 9 && !letter ? `${digit += 1}` : null;
    if (number) byKey.set(number, label);
    return kindButton(label, letter ?? number ?? "");
  });
  byId("kinds").replaceChildren(...buttons, kindButton(null, "x"));
  byId("amend-form").hidden = !asksWhy;
  byId("palette-title").textContent = t(asksWhy ? "page.gallery.amend-to" : "page.gallery.reclassify-to");
  byId("reason").value = "";
  byId("other").value = "";
  choose = (label) => {
    const reason = byId("reason").value.trim();
    if (asksWhy && !reason) {
      notice(t("page.gallery.reason-needed"), "bad");
      byId("reason").focus();
      return;
    }
    byId("palette").close();
    whenChosen(label, reason);
  };
  byId("palette").showModal();
  if (asksWhy) byId("reason").focus();
}

function kindButton(label, key) {
  const button = element("button", { type: "button" }, ...(key ? [element("kbd", { text: key.toUpperCase() })] : []), element("span", { text: labelText(label) }));
  button.addEventListener("click", () => choose(label));
  return button;
}

byId("palette").addEventListener("keydown", (event) => {
  if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (byKey.has(key)) {
    event.preventDefault();
    choose(byKey.get(key));
  }
});
byId("amend-form").addEventListener("submit", (event) => event.preventDefault());
byId("other-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const label = byId("other").value.trim();
  if (label) choose(label);
});
