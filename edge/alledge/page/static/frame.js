// The frame of every page: leaving, and the language.
import { ask, byId, timeText, trying } from "./common.js";

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    document.cookie = `language=${button.dataset.language}; path=/; max-age=31536000; samesite=strict`;
    location.reload();
  });
}
byId("sign-out")?.addEventListener("click", () => trying(async () => {
  await ask("DELETE", "/api/session");
  location.assign("/enter");
}));
for (const time of document.querySelectorAll("time[datetime]")) time.textContent = timeText(time.dateTime);
