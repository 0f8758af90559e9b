// Signing, and taking a signature back.
import "./frame.js";
import { ask, byId, Problem, notice } from "./common.js";

const slide = byId("sign").dataset.slide;
const asOf = Number(byId("sign").dataset.asOf);

async function change(path, body) {
  try {
    await ask("POST", `/api/slides/${slide}/${path}`, body);
    location.reload();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    notice(error.message, "bad");
  }
}

byId("sign-it")?.addEventListener("click", () => byId("sign-dialog").showModal());
byId("sign-form").addEventListener("submit", () => change("sign-off", { as_of: asOf }));
byId("withdraw")?.addEventListener("click", () => byId("withdraw-dialog").showModal());
byId("withdraw-form").addEventListener("submit", () => change("sign-off/withdrawal", { reason: byId("withdraw-reason").value }));
for (const button of document.querySelectorAll("button[data-ready]")) button.disabled = false; // before, nobody hears a click
