"use strict";
(function () {
  const NARROW = 420; // CSS pixels: below this a legend has one column
  const LOWEST = 260; // CSS pixels: height of a picture on a narrow screen, if it has no row per rescaler
  const TALL = 1200; // CSS pixels: a higher picture scrolls in its place
  const ROW = 15, WIDE_ROW = 28, PAGE = 1000; // CSS pixels: heights of a row, and of all rows together if they can be wider
  const PAUSE = 200; // ms from the last letter that is typed to the drawing

  async function unpacked(id) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  async function start() {
    const [library, data] = await Promise.all([unpacked("library"), unpacked("data").then(JSON.parse)]);
    const script = document.createElement("script");
    script.textContent = library;
    document.head.append(script);
    document.documentElement.classList.remove("no-script");
    const plots = Array.from(document.querySelectorAll(".plot"));
    await Promise.all(plots.map((plot) => draw(plot, data)));
    document.querySelectorAll(".trial").forEach(function (button) {
      button.addEventListener("click", () => show(button.dataset.trial, data));
    });
    filtering(plots, data);
  }

  const drawn = new Map(); // what Vega made in every plot
  let chosen = null; // places of the rescalers that are shown; null: all

  function hasRows(spec, data) {
    const y = spec.encoding && spec.encoding.y;
    return Boolean(y && y.field === "row" && data.rescalers && y.scale.domain.length === data.rescalers.length);
  }

  // Returns a copy of a specification with the chosen rows only; a tall one has axis and legend where it begins.
  function shown(full, data) {
    const spec = structuredClone(full);
    if (!hasRows(spec, data)) return spec;
    if (chosen) {
      const rows = chosen.map((place) => spec.encoding.y.scale.domain[place]);
      const kept = new Set(rows);
      spec.encoding.y.scale.domain = rows;
      spec.data.values = spec.data.values.filter((value) => kept.has(value.row));
      spec.height = rows.length * Math.max(ROW, Math.min(WIDE_ROW, Math.floor(PAGE / rows.length)));
    }
    if (spec.height > TALL) {
      spec.encoding.x.axis = { ...spec.encoding.x.axis, orient: "top" };
      spec.config.legend.orient = "top";
    }
    return spec;
  }

  function filtering(plots, data) {
    const form = document.getElementById("filter");
    if (!form) return;
    const text = document.getElementById("filter-text");
    const buttons = Array.from(form.querySelectorAll("button"));
    const own = plots.filter((plot) => hasRows(data.panels[plot.dataset.panel], data));
    let group = "";
    let waiting = 0;

    function apply() {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const places = group === "" ? data.rescalers.map((_, place) => place) : data.groups[Number(group)];
      const matching = places.filter((place) => words.every((word) => data.rescalers[place].toLowerCase().includes(word)));
      document.getElementById("filter-count").textContent = matching.length + " of " + data.rescalers.length + " shown";
      if (!matching.length) return;
      chosen = matching.length === data.rescalers.length ? null : matching;
      const names = new Set(matching.map((place) => data.rescalers[place]));
      document.querySelectorAll("[data-rescaler]").forEach(function (row) {
        row.hidden = !names.has(row.dataset.rescaler);
      });
      own.forEach((plot) => draw(plot, data));
    }

    buttons.forEach(function (button) {
      button.addEventListener("click", function () {
        group = button.dataset.group;
        buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
        apply();
      });
    });
    text.addEventListener("input", function () {
      clearTimeout(waiting);
      waiting = setTimeout(apply, PAUSE);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
  }

  function draw(plot, data) {
    const spec = shown(data.panels[plot.dataset.panel], data);
    plot.classList.toggle("tall", spec.height > TALL);
    if (plot.clientWidth < NARROW) {
      spec.config.legend.columns = 1;
      if (plot.closest(".first")) spec.height = Math.min(spec.height, LOWEST);
    }
    // The interpreter of expressions needs no eval, which the page's security policy forbids.
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true };
    if (drawn.has(plot)) drawn.get(plot).finalize();
    return vegaEmbed(plot, spec, options).then(function (result) {
      drawn.set(plot, result);
      result.view.addEventListener("click", function (event, item) {
        if (item && item.datum && item.datum.trial !== undefined) show(item.datum.trial, data);
      });
    });
  }

  function element(name, text) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function show(trial, data) {
    const card = document.getElementById("card");
    const design = data.designs && data.designs[String(trial)];
    if (!card || !design) return;
    const facts = element("dl");
    for (const [name, value] of design.facts) facts.append(element("dt", name), element("dd", value));
    const chips = element("ul");
    chips.className = "chips";
    data.rescalers.forEach(function (name, index) {
      const chip = element("li", name + " ");
      chip.append(element("b", design.bits[index] + " " + design.methods[index]));
      chips.append(chip);
    });
    const close = element("button", "Close");
    close.type = "button";
    close.className = "close";
    close.addEventListener("click", hide);
    card.replaceChildren(close, element("h3", "Trial " + trial), facts, chips);
    card.hidden = false;
  }

  function hide() {
    document.getElementById("card").hidden = true;
  }

  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

  // Without the library the still pictures stay.
  start().then(
    () => (document.body.dataset.ready = "true"),
    function () {
      document.documentElement.classList.add("no-script");
      document.body.dataset.ready = "still";
    },
  );

  const closed = [];
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details:not([open])").forEach(function (one) {
      one.open = true;
      closed.push(one);
    });
  });
  window.addEventListener("afterprint", function () {
    while (closed.length) closed.pop().open = false;
  });
})();
