"use strict";
(function () {
  const NARROW = 600; // CSS pixels: below this a legend has one column and margins are small

  function read(id) {
    return JSON.parse(document.getElementById(id).textContent);
  }

  function fitted(figure, width) {
    const layout = figure.layout;
    if (width < NARROW) {
      layout.font = Object.assign({}, layout.font, { size: 11 });
      layout.margin = Object.assign({}, layout.margin, { l: 44, r: 6 });
    }
    return layout;
  }

  function draw(plot) {
    const figure = read(plot.dataset.json);
    const config = { responsive: true, displaylogo: false, displayModeBar: false };
    return Plotly.newPlot(plot, figure.data, fitted(figure, plot.clientWidth), config).then(function () {
      plot.on("plotly_click", function (event) {
        const found = event.points[0].customdata;
        show(Array.isArray(found) ? found[1] : found);
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
