/* One button opens or folds the code of a page. */
document.addEventListener("DOMContentLoaded", () => {
  const folded = [...document.querySelectorAll("details.hide")];
  const title = document.querySelector("main section h1, article section h1");
  if (!folded.length || !title) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "all-code";
  const name = () => {
    button.textContent = folded.every((one) => one.open) ? "hide the code" : "show all code";
  };
  button.onclick = () => {
    const open = !folded.every((one) => one.open);
    folded.forEach((one) => (one.open = open));
    name();
  };
  folded.forEach((one) => one.addEventListener("toggle", name));
  name();
  title.after(button);
});
/* A figure opens by itself when it is clicked: there it can be enlarged, on a phone too. */
document.addEventListener("DOMContentLoaded", () => {
  for (const picture of document.querySelectorAll("article figure:has(.caption-number) img")) {
    if (picture.closest("a")) continue;
    const link = document.createElement("a");
    link.className = "full-size";
    link.href = picture.getAttribute("src");
    link.title = "open this figure by itself";
    picture.replaceWith(link);
    link.append(picture);
  }
});
/* On paper the lists of the first page stand open. */
addEventListener("beforeprint", () => {
  document.querySelectorAll("details.found").forEach((one) => (one.open = true));
});
