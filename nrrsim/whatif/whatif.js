// The panel of nrrsim.whatif: draws the form and the answers that the kernel gives, and sends what was moved. It works
// out no figure, and fetches nothing: the drawing library, vegaEmbed, is bundled with it.

const PICTURES = {
  curve: ["Distribution of NRR", "Solid: now. Dashed: base."],
  bridge: ["Expected NRR by driver", "Changes from the base, in points."],
  fan: ["ARR of today's customers", "Expected (of a forecast: the median), and 90% range. Solid: now. Dashed: base. The axis does not start at zero."],
};
const DECISIONS = { renews: "Renews", leaves: "Leaves", "as forecast": "As forecast" };
const PATIENCE = 15000; // milliseconds
const shown = (value, isShare) => (isShare ? 100 * value : value);
const tidy = (value) => Number(Number(value).toPrecision(4));

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

let panels = 0, made = 0;
function render({ model, el }) {
  const id = `nrrsim-${++panels}`;
  let state, number = 0, isBaseChosen = false;

  const root = make("section", { class: "nrrsim", "aria-label": "What if", "data-lm-suppress-shortcuts": "true",
    "data-jp-suppress-context-menu": "true" });
  const choices = make("div");
  const levers = make("div");
  const form = make("div", { class: "form", role: "group", "aria-label": "Assumptions" }, choices, levers);
  const figures = make("dl", { class: "figures" });
  const said = make("p", { class: "said", role: "status" });
  const problem = make("p", { class: "problem", role: "alert" });
  const quality = make("p", { class: "note" });
  const notices = make("div");
  const table = make("div", { class: "played" });
  const changed = make("pre", { tabindex: "0", "aria-label": "What a saved file would state" });

  // --- what was moved ---------------------------------------------------------------------------------------------

  function send() {
    number = Math.max(number, model.get("asked").number || 0) + 1;
    // a kernel that has ended answers nothing, and says nothing of that
    clearTimeout(send.late);
    send.late = setTimeout(() => {
      problem.textContent = "No answer yet. Where the page was left alone for hours, its kernel has ended: load it anew.";
      root.classList.add("stale");
    }, PATIENCE);
    model.set("asked", { ...state, number });
    model.save_changes();
  }

  function start(preset, base) {
    state = { preset, base, values: {}, mix: {}, accounts: {}, months: null, target: null };
  }

  // What another view of this panel, or this one before the page was loaded anew, has moved.
  function adopt() {
    const { number: sent, ...asked } = model.get("asked");
    if (!sent || sent === number) return false;
    number = sent;
    state = { ...asked, values: { ...asked.values }, mix: { ...asked.mix }, accounts: { ...asked.accounts } };
    return true;
  }

  // --- one number: a slider, the same number as text, its mark and its reset --------------------------------------

  function field({ name, label, value, low, high, least = low, most = high, is_share, span, unit, step, whole, moved, kept }) {
    const at = `${id}-${++made}`;
    const percents = is_share ? "%" : unit || "";
    const range = make("input", { type: "range", id: at, min: low, max: high, step: step || "any", "data-name": name });
    const text = make("input", { type: "number", min: shown(least, is_share), step: "any",
      max: shown(most, is_share), "aria-describedby": `${at}-note`, "aria-label": `${label}${percents ? `, in ${percents}` : ""}, as a number` });
    const reset = make("button", { type: "button", class: "reset", "aria-label": `Reset ${label}`, title: "Reset" }, "↺");
    const note = make("span", { class: "span", id: `${at}-note`, "data-span": name }, span || "");
    const mark = make("span", { class: "mark", "aria-hidden": "true", title: "The scenario's value" });
    const share = (x) => (high > low ? (Math.min(Math.max(x, low), high) - low) / (high - low) : 0);
    const limit = (x) => (is_share ? `${shown(x, true)}%` : String(x));
    const format = (x) => (whole ? String(Math.round(x)) : String(Number(shown(x, is_share).toFixed(is_share ? 2 : 3))));

    function show(x) {
      if (x > high) range.max = high = Math.min(most, 1.25 * x);  // typed: the slider grows
      mark.style.setProperty("--at", share(value));
      range.value = x;
      range.setAttribute("aria-valuetext", `${format(x)}${percents === "%" ? "%" : percents && ` ${percents}`}`);
      text.value = format(x);
      const differs = tidy(x) !== tidy(value);
      row.classList.toggle("moved", differs);
      reset.disabled = !differs;
    }
    function set(x) {
      const near = Math.abs(x - value) < 0.004 * (high - low) && step == null;
      const next = near ? value : whole ? Math.round(x) : tidy(x);
      show(next);
      moved(tidy(next) === tidy(value) ? null : next);
    }
    range.addEventListener("input", () => set(Number(range.value)));
    range.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = Math.min(Math.max(Number(range.value) + by * (step || (high - low) / 100), low), high);
      range.value = next;
      set(next);
    });
    text.addEventListener("change", () => {
      const typed = Number(text.value) / (is_share ? 100 : 1);
      if (text.value === "" || !Number.isFinite(typed)) return show(Number(range.value));
      const next = whole ? Math.round(Math.min(Math.max(typed, least), most)) : Math.min(Math.max(typed, least), most);
      text.setAttribute("aria-invalid", next < typed || next > typed && !whole);
      note.textContent = typed > most ? `at most ${limit(most)}` : typed < least ? `at least ${limit(least)}` : span || "";
      show(next);
      moved(tidy(next) === tidy(value) ? null : next);
    });
    reset.addEventListener("click", () => { show(value); moved(null); range.focus(); });
    const row = make("div", { class: "field" },
      make("label", { for: at }, label), make("span", { class: "track" }, range, mark),
      make("span", { class: "typed" }, text, make("span", { "aria-hidden": "true" }, percents)), reset, note);
    show(kept ?? value);
    return { row, show, set, range, value, low, high, name };
  }

  // --- the form ---------------------------------------------------------------------------------------------------

  function choice(label, options, chosen, changed) {
    const at = `${id}-${++made}`;
    const select = make("select", { id: at, onchange: () => changed(select.value) },
      ...options.map(([value, text]) => make("option", { value, selected: String(value) === String(chosen) }, text)));
    return make("div", { class: "choice" }, make("label", { for: at }, label), select);
  }

  function driver(group) {
    const count = make("span", { class: "count" });
    const fields = [];
    const told = () => {
      const number = fields.filter((each) => each.name in state.values).length;
      count.textContent = number ? `${number} moved` : "";
    };
    const parts = group.parts.map((part) => {
      const rows = part.sliders.map((slider) =>
        field({ ...slider, label: `${part.label}, ${slider.label}`, kept: state.values[slider.name],
          moved: (x) => {
            if (x == null) delete state.values[slider.name];
            else state.values[slider.name] = x;
            told();
            send();
          } }));
      fields.push(...rows);
      const all = rows.length > 1 && !part.relative ? together(part, rows, told) : null;
      rows.forEach((each, place) => each.row.querySelector("label").replaceChildren(hidden(`${part.label}, `), part.sliders[place].label));
      return make("div", { class: "part", role: "group", "aria-label": part.meaning },
        make("p", { class: "meaning" }, part.meaning), all, ...rows.map((each) => each.row));
    });
    told();
    return make("details", { open: group.name === "churn" }, make("summary", {}, group.title, " ", count), ...parts);
  }

  // All segments at once, relative to where each stands in the scenario.
  function together(part, rows, told) {
    const one = field({ name: `all-${rows[0].name}`, label: `${part.label}, all segments`, value: 0, low: -1, high: 1,
      is_share: true, moved: (x) => {
        for (const each of rows) {
          const next = tidy(Math.min(Math.max(each.value * (1 + (x ?? 0)), each.low), each.high));
          each.show(x == null ? each.value : next);
          if (x == null || tidy(next) === tidy(each.value)) delete state.values[each.name];
          else state.values[each.name] = next;
        }
        told();
        send();
      } });
    one.row.classList.add("all");
    one.row.querySelector("label").replaceChildren(hidden(`${part.label}, `), "all segments, relative");
    return one.row;
  }

  const hidden = (text) => make("span", { class: "hidden" }, text);

  function mixOf(given) {
    if (!given.mix.length) return make("p", { class: "note" }, given.no_mix);
    const was = Object.fromEntries(given.mix.map((each) => [each.segment, each.value]));
    const now = () => ({ ...was, ...state.mix });
    const fields = given.mix.map(({ segment, label, value }) =>
      field({ name: `mix.${segment}`, label: `Share of ARR, ${label}`, value, low: 0, high: 1, is_share: true,
        kept: state.mix[segment], moved: (x) => {
          const before = now(), own = x ?? value, rest = 1 - before[segment];
          const others = Object.keys(was).filter((each) => each !== segment);
          const mix = { [segment]: own };
          for (const each of others) mix[each] = rest > 1e-9 ? (before[each] * (1 - own)) / rest : (1 - own) / others.length;
          const same = Object.keys(was).every((each) => Math.abs(mix[each] - was[each]) < 1e-4);
          state.mix = same ? {} : mix;
          for (const each of fields) each.show(now()[each.name.slice(4)]);
          send();
        } }));
    fields.forEach((each) => each.row.querySelector("label").replaceChildren(hidden("Share of ARR, "), each.name.slice(4)));
    return make("div", { class: "part", role: "group", "aria-label": "Share of ARR by segment" },
      make("p", { class: "meaning" }, "Share of ARR; the others give way in proportion, contracts stay as large"),
      ...fields.map((each) => each.row));
  }

  // The accounts that move NRR most, each with a switch.
  function accountsOf(given) {
    const count = make("span", { class: "count" });
    const told = () => {
      const number = Object.keys(state.accounts).length;
      count.textContent = number ? `${number} moved` : "";
    };
    const switches = given.accounts.map(({ name, note, value }) => {
      const at = `${id}-${++made}`;
      const options = Object.entries(DECISIONS).map(([choice, text]) => {
        const radio = make("input", { type: "radio", name: at, value: choice, checked: choice === (state.accounts[name] ?? value),
          onchange: () => {
            if (choice === value) delete state.accounts[name];
            else state.accounts[name] = choice;
            told();
            send();
          } });
        return make("label", {}, radio, text);
      });
      return make("fieldset", { class: "account", "data-account": name }, make("legend", {}, name),
        make("p", { class: "meaning" }, note), make("div", { class: "options" }, ...options));
    });
    told();
    return make("details", { class: "accounts" }, make("summary", {}, "Accounts", " ", count),
      make("p", { class: "meaning" }, "The accounts whose renewal moves NRR most; a choice changes no other account"), ...switches);
  }

  function drawChoices() {
    const { presets, bases, left_out } = model.get("form");
    const names = presets.map(([name, title]) => [name, title || name]);
    choices.replaceChildren(
      choice("Start from", names, state.preset, (name) => {
        start(name, isBaseChosen ? state.base : bases[name]);
        levers.inert = true;  // until those of the other scenario are there
        send();
      }),
      choice("Compare with", names, state.base, (name) => { state.base = name; isBaseChosen = true; send(); }),
      ...left_out.map((each) => make("p", { class: "note" }, `Left out: ${each}`)));
  }

  function drawLevers() {
    const given = model.get("form");
    if (given.preset !== state.preset) return;
    const known = new Set(given.groups.flatMap((group) => group.parts.flatMap((part) => part.sliders.map((each) => each.name))));
    for (const name of Object.keys(state.values)) if (!known.has(name)) delete state.values[name];
    const open = new Set([...levers.querySelectorAll("details[open] > summary")].map((each) => each.firstChild.textContent));
    const months = field({ name: "months", label: "Months", value: given.months, low: 1, high: given.far_months,
      most: given.most_months, step: 1, whole: true, kept: state.months, moved: (x) => { state.months = x; send(); } });
    const target = given.target == null ? null : field({ name: "target", label: "Target NRR", value: given.target,
      low: 0.5, high: 2, least: 0.01, most: 10, is_share: true, kept: state.target,
      moved: (x) => { state.target = x; send(); } });
    levers.inert = false;
    levers.replaceChildren(
      make("p", { class: "because" }, given.because),
      make("button", { type: "button", class: "reset-all", onclick: () => {
        start(state.preset, state.base);
        drawLevers();
        send();
        levers.querySelector(".reset-all").focus();
      } }, "Reset all"),
      make("div", { class: "part" }, months.row, target && target.row),
      ...given.groups.map(driver),
      ...(given.accounts.length ? [accountsOf(given)] : []),
      make("details", {}, make("summary", {}, "Segment mix"), mixOf(given)));
    if (open.size)
      for (const each of levers.querySelectorAll("details")) each.open = open.has(each.firstElementChild.firstChild.textContent);
  }

  // --- the answers ------------------------------------------------------------------------------------------------

  const views = {};
  const nothing = [{ step: "", kind: "none", lower: 0, upper: 0.01, end: 0, place: 0, label: "" }];
  const named = ({ curve, goal, bridge, fan }) => ({ curve, goal, fan, bridge: bridge.length ? bridge : nothing });
  const pictures = Object.entries(PICTURES).map(([name, [title, reading]]) => {
    const place = make("div", { class: "picture", role: "img", "aria-label": title });
    views[name] = vegaEmbed(make("div"), { ...model.get("specs")[name], datasets: named(model.get("answer").rows) }, { renderer: "svg", actions: false })
      .then(({ view }) => { place.replaceChildren(view.container()); return view; });
    return make("figure", { "data-picture": name }, make("h3", {}, title), place,
      make("p", { class: "note" }), make("figcaption", {}, reading));
  });

  async function draw() {
    const answer = model.get("answer");
    clearTimeout(send.late);
    problem.textContent = answer.problem;
    root.classList.toggle("stale", Boolean(answer.problem));
    if (answer.problem) return;
    if (figures.childElementCount !== answer.figures.length)
      figures.replaceChildren(...answer.figures.map(([name, label]) =>
        make("div", { "data-figure": name }, make("dt", {}, label), make("dd"), make("dd", { class: "beside" }))));
    answer.figures.forEach(([, label, value, beside], place) => {
      const [dt, dd, below] = figures.children[place].children;
      dt.textContent = label; dd.textContent = value; below.textContent = beside;
    });
    figures.dataset.nrr = answer.nrr;
    figures.dataset.number = answer.number;
    quality.textContent = answer.quality;
    changed.textContent = answer.changed || "Nothing was moved yet.";
    for (const node of form.querySelectorAll("[data-span]"))
      if (node.dataset.span in answer.spans) node.textContent = answer.spans[node.dataset.span];
    clearTimeout(draw.later);
    draw.later = setTimeout(() => { said.textContent = answer.said; }, said.textContent ? 600 : 0);
    notices.replaceChildren(...answer.notices.map((each) => make("p", { class: "note" }, each)));
    table.classList.toggle("old", Boolean(table.dataset.number) && Number(table.dataset.number) !== answer.number);
    const { no_bridge } = answer.rows, rows = named(answer.rows);
    await Promise.all([["curve", ["curve", "goal"]], ["bridge", ["bridge"]], ["fan", ["fan"]]].map(async ([name, data]) => {
      const view = await views[name];
      for (const each of data) view.data(each, rows[each]);
      await view.runAsync();
    }));
    const bridge = root.querySelector('[data-picture="bridge"]');
    bridge.querySelector(".note").textContent = no_bridge;
    for (const each of bridge.querySelectorAll(".picture, figcaption")) each.hidden = Boolean(no_bridge);
    for (const figure of root.querySelectorAll("[data-picture] .picture"))
      figure.setAttribute("aria-label", `${figure.previousElementSibling.textContent}. ${answer.said}`);
  }

  // --- a full simulation, and saving ------------------------------------------------------------------------------

  function runner() {
    let trials = model.get("form").trials[0][0];
    const bar = make("progress", { "aria-label": "Full simulation", max: 1, value: 0, hidden: true });
    const go = make("button", { type: "button", onclick: () =>
      model.send({ kind: "run", trials: Number(trials), asked: { ...state, number } }) }, "Run full simulation");
    const stop = make("button", { type: "button", hidden: true, onclick: () => model.send({ kind: "stop" }) }, "Stop");
    const note = make("p", { role: "status", class: "note" });
    const draw = () => {
      const run = model.get("run"), isRunning = run.state === "running";
      bar.hidden = stop.hidden = !isRunning;
      go.disabled = isRunning;
      bar.max = run.total || 1;
      bar.value = run.done || 0;
      note.textContent = run.state === "done" ? "The full simulation is done." : run.problem || "";
      if (run.state !== "done") return;
      table.dataset.number = run.number;
      table.classList.toggle("old", run.number !== model.get("answer").number);
      table.replaceChildren(
        make("p", { class: "since" }, "Of earlier assumptions: run it again for those above."),
        make("table", {}, make("caption", {}, "The same assumptions, every customer simulated month by month"),
          make("thead", {}, make("tr", {}, ...run.heads.map((each) => make(each ? "th" : "td", each ? { scope: "col" } : {}, each)))),
          make("tbody", {}, ...run.rows.map(([name, ...cells]) =>
            make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((each) => make("td", {}, each)))))));
    };
    model.on("change:run", draw);
    if (model.get("run").state) draw();
    return make("div", { class: "runner", role: "group", "aria-label": "Full simulation" }, make("h3", {}, "Full simulation"),
      choice("Trials", model.get("form").trials, trials, (value) => { trials = value; }), go, stop, bar, note, table);
  }

  function saver() {
    const line = (label, name) => {
      const input = make("input", { type: "text", id: `${id}-${name}`, name, autocomplete: "off" });
      return [make("div", { class: "choice" }, make("label", { for: `${id}-${name}` }, label), input), input];
    };
    const [titleRow, title] = line("Title", "title");
    const [nameRow, name] = line("File", "file");
    const reason = make("textarea", { id: `${id}-because`, rows: "3" });
    const answer = make("p", { role: "status", class: "answer" });
    let typed = false;
    name.addEventListener("input", () => { typed = name.value !== ""; });
    title.addEventListener("input", () => {
      if (!typed) name.value = title.value.toLowerCase().normalize("NFKD").replace(/[^a-z0-9.]+/g, "-").replace(/^[-.]+/, "").slice(0, 60).replace(/[-.]+$/, "");
    });
    model.on("change:saved", () => {
      const told = model.get("saved");
      answer.textContent = told.problem || told.text;
      answer.classList.toggle("problem", Boolean(told.problem));
    });
    const save = make("button", { type: "button", onclick: () => {
      answer.textContent = "";
      model.send({ kind: "save", asked: { ...state, number }, name: name.value, title: title.value, because: reason.value });
    } }, "Save as scenario");
    return make("div", { class: "saver", role: "group", "aria-label": "Save as scenario" }, make("h3", {}, "Save as scenario"),
      titleRow, make("div", { class: "choice" }, make("label", { for: `${id}-because` }, "Because"), reason), nameRow,
      make("p", { class: "note" }, "A name that ends in .xlsx saves an Excel workbook, which holds the whole scenario and computes."),
      make("details", {}, make("summary", {}, "What the file would state"), changed), save, answer);
  }

  function reporter() {
    const name = make("input", { type: "text", id: `${id}-report`, name: "report", autocomplete: "off" });
    const answer = make("p", { role: "status", class: "made" });
    const lines = make("pre", { tabindex: "0", "aria-label": "Messages of the command", hidden: true });
    const go = make("button", { type: "button", onclick: () => {
      answer.textContent = "";
      model.send({ kind: "report", asked: { ...state, number }, name: name.value });
    } }, "Make report");
    const draw = () => {
      const { state: at, lines: told = [], problem = "", text = "The report is being made." } = model.get("report");
      go.disabled = at === "running";
      lines.textContent = told.join("\n");
      lines.hidden = !told.length;
      answer.textContent = problem || text;
      answer.classList.toggle("problem", Boolean(problem));
    };
    model.on("change:report", draw);
    if (model.get("report").state) draw();
    return make("div", { class: "saver reporter", role: "group", "aria-label": "Report" }, make("h3", {}, "Report"),
      make("p", { class: "note" }, "PDF and HTML of the scenario, compared with the base. Left empty, the name is the scenario's."),
      make("div", { class: "choice" }, make("label", { for: `${id}-report` }, "Name"), name), go, lines, answer);
  }

  const initial = model.get("form");
  start(initial.preset, initial.base);
  adopt();
  drawChoices();
  drawLevers();
  root.append(form,
    make("div", { class: "answers" }, figures, problem, said, ...pictures, quality, notices, runner(), saver(), reporter()));
  // A notebook's shortcuts are not for keys that are pressed here.
  for (const event of ["keydown", "keypress", "keyup"]) root.addEventListener(event, (each) => each.stopPropagation());
  el.append(root);
  draw();
  let drawn = initial.preset;
  model.on("change:form", () => {
    const at = [...choices.querySelectorAll("select")].indexOf(document.activeElement);
    drawChoices();
    if (at >= 0) choices.querySelectorAll("select")[at].focus();
    if (drawn !== model.get("form").preset || levers.inert) drawLevers();
    drawn = model.get("form").preset;
  });
  model.on("change:asked", () => {
    if (!adopt()) return;
    drawChoices();
    drawLevers();
  });
  model.on("change:answer", draw);
  return () => Promise.all(Object.values(views)).then((all) => all.forEach((view) => view.finalize()));
}

export default { render };
