// Keeps the parts of a page that are marked `data-live` fresh: fetches the same page and exchanges only what changed.
// Rows with `data-key` are exchanged one by one, so that nothing flickers and the selected row stays.
"use strict";
(() => {
  const seconds = Number(document.body.dataset.refresh || 0);
  if (!seconds) return;
  const said = document.querySelector("[data-refresh-note]");
  let failures = 0;

  const plain = (element) => element.outerHTML.replace(/ ?(selected|changed)(?=[" ])/g, "").replace(/ class=""/g, "");

  const exchangeRows = (body, fresh) => {
    const old = new Map([...body.children].map((row) => [row.dataset.key, row]));
    [...fresh.children].forEach((row, index) => {
      const present = old.get(row.dataset.key);
      old.delete(row.dataset.key);
      let kept = present;
      if (!present || plain(present) !== plain(row)) {
        kept = document.importNode(row, true);
        kept.classList.add("changed");
        if (present) {
          if (present.classList.contains("selected")) kept.classList.add("selected");
          present.replaceWith(kept);
        }
      }
      if (body.children[index] !== kept) body.insertBefore(kept, body.children[index] || null);
    });
    old.forEach((row) => row.remove());
  };

  const busy = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");

  const exchange = (fresh) => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || busy(part) || part.outerHTML === next.outerHTML) continue;
      const rows = part.querySelector("tbody[data-rows]");
      const nextRows = next.querySelector("tbody[data-rows]");
      if (rows && nextRows) exchangeRows(rows, nextRows);
      else part.replaceChildren(...[...next.childNodes].map((node) => document.importNode(node, true)));
    }
  };

  const refresh = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, credentials: "same-origin" });
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
      failures = 0;
      if (said) said.hidden = true;
    } catch {
      failures += 1;
      if (said && failures > 1) {
        said.hidden = false;
        said.textContent = "This page could not be refreshed: it shows what was known before. It tries again by itself.";
      }
    }
  };

  setInterval(refresh, seconds * 1000);
  document.addEventListener("visibilitychange", refresh);
})();
