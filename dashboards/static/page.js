// Small helpers of many pages: copy buttons, filters that send themselves, questions before what cannot be undone.
"use strict";
(() => {
  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    const words = button.textContent;
    try {
      await navigator.clipboard.writeText(source.innerText.trim());
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = words; }, 1600);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    if (event.target.closest("[data-close]")) event.target.closest("dialog, .toast")?.remove();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-send]")) event.target.form.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.ask;
    if (question && !confirm(question)) event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && event.target.matches("[data-enter]")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  });
  document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  document.querySelectorAll("[data-script]").forEach((element) => { element.hidden = false; });
  document.querySelectorAll("[data-no-script]").forEach((element) => { element.hidden = true; });
  if (document.body.dataset.retry) setTimeout(() => location.reload(), Number(document.body.dataset.retry) * 1000);
})();
