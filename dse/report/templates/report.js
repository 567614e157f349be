"use strict";
(function () {
  const NARROW = 420; // CSS pixels: below this a legend has one column
  const LOWEST = 260; // CSS pixels: height of a picture on a narrow screen, if it has no row per rescaler

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
  }

  function draw(plot, data) {
    const spec = data.panels[plot.dataset.panel];
    if (plot.clientWidth < NARROW) {
      spec.config.legend.columns = 1;
      if (plot.closest(".first")) spec.height = Math.min(spec.height, LOWEST);
    }
    // The interpreter of expressions needs no eval, which the page's security policy forbids.
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true };
    return vegaEmbed(plot, spec, options).then(function (result) {
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
