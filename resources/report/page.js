/** A reader's limits and the answer that follows, and a variant followed through the page. */
(() => {
  /** @param {string} id */
  const byId = id => /** @type {HTMLElement} */ (document.getElementById(id));
  /** @type {Data} */
  const data = JSON.parse(byId("data").textContent ?? "");
  const panel = byId("decide"), story = byId("story");
  const labels = new Map(data.variants.map(one => [one.id, one.label]));
  const licences = new Map(data.variants.map(one => [one.id, one.licence ?? ""]));
  const {answered, applies, inWords} = wording(data), told = telling(data);

  /** @type {HTMLInputElement[]} */
  const inputs = [...panel.querySelectorAll("input")];
  /** @type {HTMLSelectElement | null} */
  const percentile = panel.querySelector("select");
  const limitInputs = inputs.filter(one => one.dataset.figure);
  /** @param {string} key */
  const checkbox = key => inputs.find(one => one.dataset.key === key);
  /** @param {string} axis */
  const ticked = axis => new Set(inputs.filter(one => one.dataset.axis === axis && one.checked)
    .map(one => one.value));

  /** @returns {Limit[]} */
  const limits = () => limitInputs.filter(one => one.value !== "" && one.validity.valid)
    .map(one => ({
      figure: (one.dataset.figure ?? "").replace("{percentile}", percentile?.value ?? "50"),
      bound: one.dataset.bound === "most" ? "most" : "least",
      value: Number(one.value) * Number(one.dataset.factor),
      task: one.dataset.task ?? null,
    }));

  /** Rows and marks by place and variant, all that is of a variant, and the buttons that follow it.
   * @type {Map<string, Element[]>[]} */
  const [placed, traced, buttons] = [new Map(), new Map(), new Map()];
  /** @param {Map<string, Element[]>} among @param {string} key @param {Element} what */
  const add = (among, key, what) => {
    const found = among.get(key);
    if (found) found.push(what);
    else among.set(key, [what]);
  };
  /** @param {Element} what @param {string} place @param {string} variant */
  const trace = (what, place, variant) => {
    add(placed, `${place}|${variant}`, what);
    add(traced, variant, what);
  };
  /** The boxes of the two tables by place, with their marks as rendered.
   * @type {Map<string, {box: HTMLElement, variant: string, was: {chosen: boolean, best: boolean}}[]>} */
  const boxes = new Map();
  const byLabel = new Map(data.variants.map(one => [one.label, one.id]));
  for (const head of document.querySelectorAll("main tbody th[scope=row]")) {
    const variant = byLabel.get((head.firstChild?.textContent ?? "").trim());
    const row = head.closest("tr");
    if (!variant || !row || head.closest("#story")) continue;
    const button = element("button", ...head.childNodes);
    button.className = "follow";
    button.dataset.follow = variant;
    button.setAttribute("aria-pressed", "false");
    head.append(button);
    add(buttons, variant, button);
    const place = /** @type {HTMLElement | null} */ (row.closest("[data-place]"))?.dataset.place;
    trace(row, place ?? "", variant);
    for (const box of /** @type {NodeListOf<HTMLElement>} */ (row.querySelectorAll("td[data-place]"))) {
      const was = {chosen: box.matches(".chosen"), best: box.matches(".best")};
      trace(box, box.dataset.place ?? "", variant);
      const column = boxes.get(box.dataset.place ?? "") ?? [];
      column.push({box, variant, was});
      boxes.set(box.dataset.place ?? "", column);
    }
  }
  const figuresOf = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("figure"))];
  for (const figure of figuresOf) {
    for (const mark of /** @type {NodeListOf<SVGElement>} */ (figure.querySelectorAll("[data-variant]"))) {
      trace(mark, figure.dataset.place ?? "", mark.dataset.variant ?? "");
    }
  }
  /** @type {Map<string, HTMLElement[]>} */
  const frontiers = new Map();
  for (const figure of figuresOf.filter(one => one.id.startsWith("frontier"))) {
    frontiers.set(figure.dataset.place ?? "", [figure]);
  }
  /** @type {Map<string, Shown>} */
  const shownAt = new Map(data.tasks.flatMap(task => task.candidates.map(
    one => [`${task.file}/${one.device}|${one.variant}`, one])));

  /** @type {Map<string, string[]>} */
  let missed = new Map();

  /** Answers the question, and marks what is outside its limits. */
  const answer = () => {
    const set = limits(), surely = checkbox("surely")?.checked ?? false;
    const devices = ticked("device"), wanted = ticked("licence");
    const asked = set.length + devices.size + wanted.size > 0 || surely
      || (checkbox("over-tasks")?.checked ?? false);
    /** @param {Shown} one */
    const among = one => (!devices.size || devices.has(one.device))
      && (!wanted.size || wanted.has(licences.get(one.variant) ?? ""));
    const answers = byId("answered"), shown = document.createDocumentFragment();
    const before = missed;
    missed = new Map();
    /** @type {Map<string, Task[]>} */
    const pools = new Map();
    for (const task of data.tasks) {
      const about = set.filter(one => one.task === null || one.task === task.task);
      const foreign = about.find(limit => !applies(limit, task));
      if (foreign) {
        const line = element("p", `${task.label}: left out: it cannot have a ${inWords(foreign)}.`);
        line.className = "remark";
        shown.append(line);
      }
      const candidates = foreign ? [] : task.candidates.filter(among);
      const made = deciding.decide(candidates, about, data.margin, surely);
      if (!foreign) {
        pools.set(task.scenario, [...pools.get(task.scenario) ?? [], task]);
        if (!checkbox("over-tasks")?.checked) {
          shown.append(answered(task.label, candidates, made, about));
        }
      }
      for (const one of task.candidates) {
        const faults = !among(one) ? ["not among the devices and licences"]
          : foreign ? [] : [...deciding.misses(one, about),
            ...(surely ? deciding.doubtful(one, about) : [])].map(inWords);
        if (faults.length) missed.set(`${task.file}/${one.device}|${one.variant}`, faults);
      }
      for (const device of Object.keys(data.devices)) {
        const place = `${task.file}/${device}`;
        const here = deciding.decide(
          candidates.filter(one => one.device === device), about, data.margin, surely);
        const ringed = here.answer?.variant;
        for (const figure of frontiers.get(place) ?? []) {
          drawFrontier(figure, here.frontier, ringed, asked ? labels.get(ringed ?? "") ?? "none" : null);
        }
        for (const {box, variant, was} of boxes.get(place) ?? []) {
          box.classList.toggle("chosen", asked ? variant === ringed : was.chosen);
          box.classList.toggle("best", asked ? variant === here.best?.variant : was.best);
        }
      }
    }
    if (checkbox("over-tasks")?.checked) {
      for (const [scenario, tasks] of pools) {
        const names = tasks.map(one => one.task), candidates = deciding.overTasks(
          tasks.flatMap(one => one.candidates.filter(among)), names);
        const about = set.filter(one => one.task === null || names.includes(one.task));
        const title = `Over all tasks${pools.size > 1 ? ` · ${scenario}` : ""}`;
        shown.append(answered(
          title, candidates, deciding.decide(candidates, about, data.margin, surely), about));
      }
    }
    const terms = [...set.map(inWords),
      ...[...devices].map(one => `on ${data.devices[one]}`), ...[...wanted].map(one => `licence ${one}`),
      ...(surely ? ["by whole 95 % intervals"] : [])];
    const line = element("p", terms.length ? `Asked for: ${terms.join("; ")}.` : "");
    answers.replaceChildren(...(asked ? [line, shown]
      : [element("p", "Set a limit: the answer, the charts and the tables follow it.")]));
    for (const key of new Set([...before.keys(), ...missed.keys()])) {
      if (before.has(key) === missed.has(key)) continue;
      for (const what of placed.get(key) ?? []) what.classList.toggle("unmet");
    }
    keep();
    tell();
  };

  /** The variant that is followed, if any. @type {string | null} */
  let followed = null;

  /** Shows the story of the variant that is followed. */
  const tell = () => {
    story.hidden = followed === null;
    if (followed === null) return;
    const label = labels.get(followed) ?? followed;
    byId("story-title").textContent = label;
    byId("story-text").replaceChildren(...told(followed, label, missed));
  };

  /** Follows a variant through the page, or none. @param {string | null} variant */
  const follow = variant => {
    for (const on of [false, true]) {
      if (on) followed = variant !== null && labels.has(variant) ? variant : null;
      for (const what of traced.get(followed ?? "") ?? []) what.classList.toggle("followed", on);
      for (const button of buttons.get(followed ?? "") ?? []) {
        button.setAttribute("aria-pressed", String(on));
      }
    }
    document.body.classList.toggle("following", followed !== null);
    pointed(followed);
    tell();
    keep();
  };

  /** A variant with its figures, and the limits that it misses. @param {string} place @param {string} variant */
  const said = (place, variant) => {
    const one = shownAt.get(`${place}|${variant}`), faults = missed.get(`${place}|${variant}`);
    return [`${labels.get(variant)}${one ? `: ${one.speed}, ${one.said}` : ""}`,
      ...(faults ? [`outside your limits: ${faults.join("; ")}`] : [])].join("; ");
  };
  const pointed = pointing(figuresOf, said, follow, () => story.focus());

  const PREFIX = "#limits?";

  /** Writes the question into the address, so that a link carries it. */
  const keep = () => {
    const query = new URLSearchParams();
    for (const one of inputs) {
      const key = one.dataset.key ?? "";
      if (one.type === "checkbox" ? one.checked : one.value !== "") query.append(key, one.value);
    }
    if (percentile && percentile.value !== "50") query.append("percentile", percentile.value);
    if (followed !== null) query.append("follow", followed);
    const text = query.toString();
    if (text || location.hash.startsWith(PREFIX)) {
      history.replaceState(null, "", text ? PREFIX + text : "#decide");
    }
  };

  /** Reads the question of a link; the variant to follow. */
  const read = () => {
    if (!location.hash.startsWith(PREFIX)) return followed;
    const query = new URLSearchParams(location.hash.slice(PREFIX.length));
    for (const one of inputs) {
      const given = query.getAll(one.dataset.key ?? "");
      if (one.type === "checkbox") one.checked = given.includes(one.value);
      else one.value = given[0] ?? "";
    }
    if (percentile) {
      percentile.value = query.get("percentile") ?? "50";
      if (percentile.selectedIndex < 0) percentile.value = "50";
    }
    return query.get("follow");
  };

  let waiting = 0;
  panel.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(answer, 60);
  });
  document.addEventListener("click", event => {
    const target = /** @type {Element} */ (event.target);
    const hit = /** @type {HTMLElement | SVGElement | null} */ (
      target.closest("[data-follow], figure [data-variant]"));
    const variant = hit?.dataset.follow ?? hit?.dataset.variant;
    if (variant === undefined) return;
    follow(variant === followed ? null : variant);
    if (followed !== null) story.focus({preventScroll: hit instanceof SVGElement});
  });
  byId("story-close").addEventListener("click", () => follow(null));
  byId("limits-clear").addEventListener("click", () => {
    for (const one of inputs) one.type === "checkbox" ? one.checked = false : one.value = "";
    if (percentile) percentile.value = "50";
    answer();
  });
  const start = () => {
    follow(read());
    answer();
  };
  addEventListener("hashchange", start);
  panel.hidden = false;
  start();
})();
