// Keys: `/` search, `?` help, `g i` … go to a page; on lists j k enter, on incidents a s r. Never while somebody types.
"use strict";
(() => {
  const goes = { i: "/incidents", l: "/lookup", c: "/calls", p: "/partners", a: "/apis", d: "/changes", r: "/receivers" };
  const help = document.getElementById("help");
  let going = 0;

  const rows = () => [...document.querySelectorAll("tbody[data-rows] > tr[data-key]")];
  const selected = () => document.querySelector("tr.selected");

  const select = (step) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(selected());
    const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
    if (selected()) selected().classList.remove("selected");
    next.classList.add("selected");
    next.scrollIntoView({ block: "nearest" });
  };

  const act = (action) => {
    const form = document.getElementById("act");
    const key = form && (form.dataset.incident || (selected() && selected().dataset.key));
    if (!key) return;
    form.action = `/incidents/${encodeURIComponent(key)}/actions`;
    form.elements.action.value = action;
    form.submit();
  };

  const press = (key) => {
    if (going && Date.now() - going < 1200 && goes[key]) return location.assign(goes[key]);
    going = 0;
    const row = selected();
    switch (key) {
      case "/": return document.querySelector(".top .search input")?.focus();
      case "?": return help && (help.open ? help.close() : help.showModal());
      case "g": going = Date.now(); return;
      case "j": return select(1);
      case "k": return select(-1);
      case "Enter": case "o": return row && row.querySelector("a.rowlink")?.click();
      case "a": return act("acknowledge");
      case "s": return act("snooze");
      case "r": return act("resolve");
      default:
    }
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target;
    if (at.matches("input, textarea, select, [contenteditable]")) {
      if (event.key === "Escape") at.blur();
      return;
    }
    if (event.key === "Escape") {
      document.querySelectorAll("details.menu[open], details.dropdown[open]").forEach((menu) => { menu.open = false; });
      return;
    }
    if (event.key === "Enter" && at.matches("a, button, summary")) return;
    if ("/?gjkoasr".includes(event.key) || event.key === "Enter" || going) {
      if (event.key === "/") event.preventDefault();
      press(event.key);
    }
  });

  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.menu[open], details.dropdown[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
})();
