"use strict";
(function () {
  const NARROW = 420; // CSS pixels: below this a legend has one column

  function read(id) {
    return JSON.parse(document.getElementById(id).textContent);
  }

  function draw(plot) {
    const spec = read(plot.dataset.json);
    if (plot.clientWidth < NARROW) spec.config.legend.columns = 1;
    // The interpreter of expressions needs no eval, which the page's security policy forbids.
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true };
    return vegaEmbed(plot, spec, options).then(function (result) {
      result.view.addEventListener("click", function (event, item) {
        if (item && item.datum) show(item.datum.trial);
      });
    });
  }

  function element(name, text) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function show(trial) {
    const card = document.getElementById("card");
    const design = designs.designs[String(trial)];
    if (!card || !design) return;
    const facts = element("dl");
    for (const [name, value] of design.facts) facts.append(element("dt", name), element("dd", value));
    const chips = element("ul");
    chips.className = "chips";
    designs.rescalers.forEach(function (name, index) {
      const chip = element("li", name + " ");
      chip.append(element("b", design.bits[index] + " " + design.methods[index]));
      chips.append(chip);
    });
    card.replaceChildren(element("h3", "Trial " + trial), facts, chips);
    card.hidden = false;
  }

  document.querySelectorAll(".trial").forEach(function (button) {
    button.addEventListener("click", function () {
      show(button.dataset.trial);
      document.getElementById("card").scrollIntoView({ block: "nearest" });
    });
  });

  const designs = document.getElementById("designs") ? read("designs") : { rescalers: [], designs: {} };
  document.documentElement.classList.remove("no-script");
  const plots = Array.from(document.querySelectorAll(".plot"));
  Promise.all(plots.map(draw)).then(function () {
    document.body.dataset.ready = "true";
  });

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
