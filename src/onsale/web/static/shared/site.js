// What every page does: signing out through the API. Without scripts the form posts to the same end.
import { Api } from "./api.js";

for (const form of document.querySelectorAll("[data-sign-out]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await new Api().delete("/api/v1/session");
      location.reload();
    } catch {
      form.submit();
    }
  });
}
for (const close of document.querySelectorAll("#problem [data-close]")) {
  close.addEventListener("click", () => { close.closest("#problem").hidden = true; });
}
