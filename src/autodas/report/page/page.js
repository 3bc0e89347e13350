"use strict";

// Animates the drawings of an evolution, and sorts tables; call `autodasPage.start` again after replacing the
// content.
const autodasPage = {
  start(root) {
    for (const evolution of root.querySelectorAll(".evolution")) autodasPage.evolution(evolution);
    for (const table of root.querySelectorAll("table.sortable")) autodasPage.sortable(table);
  },

  // A button in every column head sorts the rows; rows that are equal keep the order of the page.
  sortable(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    if (rows.length < 2) return;
    const heads = [...table.tHead.rows[0].cells];
    const texts = new Intl.Collator("en", { numeric: true });
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const missing = (cell) => ["", "–"].includes(cell.textContent.trim());
      const cells = rows.map((row) => row.cells[column]);
      const numbers = cells.every((cell) => missing(cell) || "number" in cell.dataset);
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const compare = (a, b) =>
          (numbers ? a.dataset.number - b.dataset.number : texts.compare(a.textContent, b.textContent)) *
          (falling ? -1 : 1);
        const place = (cell) => (missing(cell) ? 1 : 0);
        body.append(...[...rows].sort((one, two) => {
          const [a, b] = [one.cells[column], two.cells[column]];
          return place(a) - place(b) || (place(a) ? 0 : compare(a, b));
        }));
      });
    });
  },

  evolution(root) {
    const { frames, colours } = JSON.parse(root.querySelector("script").textContent);
    const slider = root.querySelector("input");
    const play = root.querySelector(".play");
    const moment = root.querySelector(".moment");
    const cells = [...root.querySelectorAll("svg.cell")].map((svg) => ({
      description: svg.querySelector("desc"),
      edges: [...svg.querySelectorAll(".wires > g")].map((wire, place) => ({
        wire,
        label: svg.querySelectorAll(".labels > g")[place],
        changes: JSON.parse(wire.dataset.changes),
      })),
    }));
    let timer = 0;

    function show(number) {
      for (const cell of cells) {
        const told = [];
        for (const { wire, label, changes } of cell.edges) {
          const [since, state, operation] = changes.findLast((change) => change[0] <= number);
          const just = state === "decided" && since === number && number > 0;
          for (const part of [wire, label]) {
            part.setAttribute("class", `edge ${state}${just ? " just" : ""}`);
            part.style.setProperty("--operation", colours[operation] || "#8a8a8a");
          }
          label.querySelector("text").textContent = operation;
          if (state !== "removed") {
            told.push(`${wire.dataset.edge}: ${state === "decided" ? operation : "undecided"}`);
          }
        }
        cell.description.textContent = told.join("; ");
      }
      moment.textContent = frames[number][1];
      slider.setAttribute("aria-valuetext", frames[number][1]);
    }

    function move(number) {
      slider.value = Math.max(0, Math.min(frames.length - 1, number));
      show(Number(slider.value));
    }

    function stop() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
      moment.setAttribute("aria-live", "polite");
    }

    function go() {
      if (Number(slider.value) === frames.length - 1) move(0);
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      moment.setAttribute("aria-live", "off"); // too fast for screen readers
      timer = setInterval(() => {
        move(Number(slider.value) + 1);
        if (Number(slider.value) === frames.length - 1 || !root.isConnected) stop();
      }, Math.max(60, Math.min(600, 20000 / frames.length)));
    }

    play.addEventListener("click", () => (timer ? stop() : go()));
    root.querySelector(".back").addEventListener("click", () => move(Number(slider.value) - 1));
    root.querySelector(".forward").addEventListener("click", () => move(Number(slider.value) + 1));
    slider.addEventListener("input", () => show(Number(slider.value)));
    // The browser itself scrolls to the target of these links.
    for (const link of document.querySelectorAll(`a[href="#${slider.id}"]`)) {
      link.addEventListener("click", () => {
        stop();
        move(Number(link.dataset.frame));
        slider.focus({ preventScroll: true });
      });
    }
  },
};

autodasPage.start(document);
