"use strict";

// Polls the version of the run and replaces the content when it has changed. Everything that the reader has
// moved, opened or scrolled is preserved.
(() => {
  const main = document.getElementById("main");
  const status = document.getElementById("watch");
  const pause = 1500;
  let version = status.dataset.version;
  let timer = 0;

  const ask = async (what) => {
    const answer = await fetch(what, { cache: "no-store", signal: AbortSignal.timeout(60000) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer;
  };

  // Identify details by their order in a section, since their titles may contain counts.
  function eachDetails(act) {
    const count = new Map();
    for (const details of main.querySelectorAll("details")) {
      const section = details.closest("section")?.id ?? "";
      count.set(section, (count.get(section) ?? 0) + 1);
      act(details, `${section} ${count.get(section)}`);
    }
  }

  const sliderOf = (evolution) => evolution.querySelector("input[type=range]");

  function remember() {
    const state = { details: new Map(), sliders: new Map(), scrolled: [], focus: document.activeElement?.id };
    eachDetails((details, key) => state.details.set(key, details.open));
    main.querySelectorAll(".evolution").forEach((it, i) => {
      const slider = sliderOf(it);
      // A slider at the end follows new frames.
      if (slider && slider.value !== slider.max) state.sliders.set(i, slider.value);
    });
    main.querySelectorAll(".wide").forEach((it) => state.scrolled.push(it.scrollLeft));
    return state;
  }

  function restore(kept) {
    eachDetails((details, key) => {
      if (kept.details.has(key)) details.open = kept.details.get(key);
    });
    main.querySelectorAll(".evolution").forEach((it, i) => {
      const slider = sliderOf(it);
      if (!slider || !kept.sliders.has(i)) return;
      slider.value = kept.sliders.get(i);
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    });
    main.querySelectorAll(".wide").forEach((it, i) => { it.scrollLeft = kept.scrolled[i] ?? 0; });
    if (kept.focus) document.getElementById(kept.focus)?.focus({ preventScroll: true });
  }

  const busy = () =>
    main.querySelector(".play[aria-pressed=true]") !== null || !getSelection().isCollapsed;

  async function swap() {
    const answer = await ask("main");
    const content = await answer.text();
    if (busy()) return; // try again at the next poll
    const kept = remember();
    const { scrollX, scrollY } = window;
    main.innerHTML = content;
    if (typeof autodasPage !== "undefined") autodasPage.start(main);
    restore(kept);
    window.scrollTo(scrollX, scrollY);
    version = answer.headers.get("X-Version");
  }

  async function look() {
    clearTimeout(timer);
    const begun = performance.now();
    try {
      if ((await (await ask("version")).text()) !== version && !busy()) await swap();
      say("");
    } catch {
      say("The server does not respond. Updates resume when it does.");
    }
    // Poll slow pages less often, to leave the processor to the run.
    timer = setTimeout(next, Math.max(pause, 10 * (performance.now() - begun)));
  }

  function say(text) {
    if (status.textContent !== text) status.textContent = text;
  }

  function next() {
    if (!document.hidden) look();
  }

  document.addEventListener("visibilitychange", next);
  timer = setTimeout(next, pause);
})();
