// Keeps the page as it is in the state file: replaces the parts that changed, and says so when it no longer can.
(() => {
  "use strict";
  const path = document.currentScript?.dataset.events ?? "/events" + location.search;
  const retryMs = 5000;
  const skipped = new Map();
  let source = null;
  let retry = 0;

  // The words about the connection: none while it is there. It is there before it has words, so that they are read out.
  const place = document.createElement("p");
  place.id = "live";
  place.setAttribute("role", "status");
  (document.querySelector("main") ?? document.body).prepend(place);
  const says = (text) => {
    place.className = text === "" ? "" : "note wait";
    if (place.textContent !== text) place.textContent = text;
  };

  const clock = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

  // The elements by which a focus, an open detail or a scrolled region is found again.
  const places = (root, selector) =>
    [root, ...root.querySelectorAll("*")].filter((element) => element.matches(selector));

  const isSelected = (element) => {
    const selection = getSelection();
    return selection !== null && !selection.isCollapsed && selection.containsNode(element, true);
  };

  const replace = (id, html) => {
    const old = document.getElementById(id);
    // The page has other parts now. One that was loaded just now would come back the same.
    if (!old) return performance.now() > retryMs && location.reload();
    // What is being copied stays until it was.
    if (isSelected(old)) return void skipped.set(id, html);
    skipped.delete(id);
    const kept = ["details", "[tabindex]"].map((selector) =>
      places(old, selector).map((element) => [element.open, element.scrollLeft, element.scrollTop]));
    const links = "a, button, summary, input, select, [tabindex]";
    const focused = places(old, links).indexOf(document.activeElement);
    const href = document.activeElement?.getAttribute("href");
    old.outerHTML = html;
    const next = document.getElementById(id);
    if (!next) return;
    ["details", "[tabindex]"].forEach((selector, at) =>
      places(next, selector).forEach((element, place) => {
        const [open, left, top] = kept[at][place] ?? [];
        if (open) element.open = true;
        if (left) element.scrollLeft = left;
        if (top) element.scrollTop = top;
      }));
    if (focused < 0) return;
    const all = places(next, links);
    const same = all.find((element) => href !== null && element.getAttribute("href") === href);
    (same ?? all[focused])?.focus({ preventScroll: true });
  };

  const stop = () => {
    clearTimeout(retry);
    source?.close();
    source = null;
  };

  // A stream ends now and then, and the next one is there at once: only what lasts is told.
  let lost = "";
  let warning = 0;
  const found = () => {
    clearTimeout(warning);
    [lost, warning] = ["", 0];
    says("");
  };
  const start = () => {
    stop();
    source = new EventSource(path);
    source.onopen = found;
    source.addEventListener("fragment", (event) => {
      const { id, html } = JSON.parse(event.data);
      says("");
      [...skipped].forEach(([before, text]) => before !== id && replace(before, text));
      replace(id, html);
    });
    source.addEventListener("problem", (event) => says(event.data));
    source.addEventListener("again", () => location.reload());
    source.onerror = () => {
      lost ||= clock();
      warning ||= setTimeout(() => says(`Not live since ${lost}. Trying again.`), retryMs);
      // An answer that is no stream ends the source for good.
      if (source?.readyState === EventSource.CLOSED) {
        stop();
        retry = setTimeout(start, retryMs);
      }
    };
  };

  // A page that nobody sees costs nothing.
  document.addEventListener("visibilitychange", () => {
    found();
    document.hidden ? stop() : start();
  });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && start());
  if (!document.hidden) start();
})();
