/**
 * The words of an answer: a limit, a candidate, a decision, and how sure it is.
 *
 * @param {Data} data
 */
const wording = data => {
  const MOST = 3;
  const labels = new Map(data.variants.map(one => [one.id, one.label]));
  /** @param {string[]} names */
  const several = names => names.length > MOST
    ? `${names.slice(0, MOST).join(", ")} and ${names.length - MOST} more` : names.join(", ");
  /** @param {Candidate} one */
  const named = one => `${labels.get(one.variant)} on ${data.devices[one.device]}`;

  /** @param {Limit} limit @param {Task} task */
  const applies = (limit, task) => /^(latency|ttft|tpot)_/.test(limit.figure) ? !task.rate
    : limit.figure !== "rate" || task.rate;

  /** Three significant digits, as frontier/words.py writes them. @param {number} value */
  const digits = value => value === 0 ? "0"
    : value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
  /** @type {[number, string][]} */
  const SIZES = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]];
  /** @param {number} count */
  const size = count => {
    const [factor, unit] = SIZES.find(([least]) => count >= least) ?? [1, "B"];
    return `${factor === 1 ? count.toFixed(0) : digits(count / factor)} ${unit}`;
  };
  /** @param {string} figure @param {number} value */
  const amount = (figure, value) => {
    const unit = data.figures[figure][1];
    if (unit === "s") return value < 1 ? `${digits(value * 1e3)} ms` : `${digits(value)} s`;
    return unit === "bytes" ? size(value) : `${digits(value)} ${unit}`.trim();
  };
  /** @param {Limit} limit */
  const inWords = limit => `${data.figures[limit.figure][0]} at ${limit.bound} `
    + amount(limit.figure, limit.value) + (limit.task === null ? "" : ` in ${limit.task}`);

  /** Whether two may be equally fast: their intervals overlap, or one is not known.
   * @param {Shown} one @param {Shown} other */
  const overlap = (one, other) => [...one.bounds, ...other.bounds].includes(null)
    || (Number(one.bounds[0]) <= Number(other.bounds[1])
      && Number(other.bounds[0]) <= Number(one.bounds[1]));

  /** The speed and score of a candidate. @param {Candidate} one */
  const figures = one => "speed" in one
    ? `${/** @type {Shown} */ (one).speed}, ${/** @type {Shown} */ (one).said}`
    : `${amount("latency_p50", one.seconds)} and ${deciding.score(one).toFixed(1)} points, both means`;

  /**
   * How sure the choice is. @param {Decision} made @param {Limit[]} set @param {number} margin
   */
  const sure = (made, set, margin) => {
    const {answer, best} = made;
    if (!answer || !best) return [];
    const said = deciding.doubtful(answer, set).map(
      limit => `Not certain, by its 95 % interval: ${inWords(limit)}.`);
    const rivals = answer.parts ? [] : made.meeting.filter(one => one !== answer
      && deciding.score(one) >= deciding.score(best) - margin - deciding.ROUNDING
      && overlap(/** @type {Shown} */ (answer), /** @type {Shown} */ (one)));
    if (rivals.length) {
      said.push(`Not clearly faster than ${several(rivals.map(named))}: the intervals overlap.`);
    }
    if (answer.parts) said.push("No interval of a mean's difference: a close choice is open.");
    return said.length ? said : ["The limits and the choice hold by the 95 % intervals."];
  };

  /**
   * One answer as elements.
   * @param {string} title @param {Candidate[]} among @param {Decision} made @param {Limit[]} set
   */
  const answered = (title, among, made, set) => {
    const {margin} = data, said = element("div");
    if (!made.answer) {
      const met = set.map(limit => {
        const count = among.filter(one => !deciding.misses(one, set).includes(limit)).length;
        return element("li", `${inWords(limit)}: met by ${count}`);
      });
      said.append(element("p", `None of ${among.length} candidates meets the limits.`),
        element("ul", ...met));
    } else {
      const line = element("p", element("span",
        `${made.meeting.length} of ${among.length} meet the limits. The fastest within ${margin} `
        + "points of the best of them is "),
      element("strong", named(made.answer)), `: ${figures(made.answer)}.`);
      line.className = "verdict";
      const remark = element("p", sure(made, set, margin).join(" "));
      remark.className = "remark";
      const kinds = element("dl");
      for (const kind of /** @type {const} */ (["best", "fastest", "cheapest", "smallest"])) {
        const one = made[kind];
        const cost = kind === "cheapest" ? "cost" : kind === "smallest" ? "memory" : null;
        const figure = one && (cost ? amount(cost, one.figures[cost][0]) : figures(one));
        kinds.append(element("dt", kind[0].toUpperCase() + kind.slice(1)),
          element("dd", one ? `${named(one)}: ${figure}` : "not known"));
      }
      said.append(line, remark, kinds);
    }
    const article = element("article", element("h3", title), said);
    article.className = "answer";
    return article;
  };

  return {answered, applies, inWords};
};
