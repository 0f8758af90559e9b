// Give a name, and on the network a token; one that came after the # of a scanned address is taken from there.
import "./frame.js";
import { ask, byId, Problem } from "./common.js";

const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token && byId("token")) byId("token").value = token;
if (location.hash) history.replaceState(null, "", location.pathname);
byId("name").value ||= localStorage.getItem("name") ?? "";

byId("go").disabled = false; // before, a form would be sent that nobody reads
byId("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = byId("name").value;
  try {
    await ask("POST", "/api/session", { name, token: byId("token")?.value ?? "" });
    localStorage.setItem("name", name);
    location.assign("/");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    byId("enter-error").textContent = error.message;
    byId("enter-error").hidden = false;
  }
});
