"use strict";
/**
 * The rules of frontier/report/deciding/limits.py, by the same names; tests/decisions.json has the
 * cases that both must pass.
 *
 * @typedef {[number, number | null, number | null]} Figure a value, and the ends of its interval
 * @typedef {{figure: string, bound: "most" | "least", value: number, task: string | null}} Limit
 * @typedef {{variant: string, device: string, task: string, seconds: number,
 *   figures: Record<string, Figure>, parts?: Candidate[]}} Candidate
 * @typedef {{meeting: Candidate[], answer: Candidate | null, best: Candidate | null,
 *   fastest: Candidate | null, cheapest: Candidate | null, smallest: Candidate | null,
 *   frontier: Candidate[]}} Decision
 */
const deciding = (() => {
  const ROUNDING = 1e-9;
  const MEANS = ["score", "energy", "cost"];

  /** @param {Candidate} one */
  const name = one => `${one.variant} ${one.device}`;
  /** @param {Candidate} one */
  const score = one => one.figures.score[0];

  /**
   * The order by the first key that differs.
   * @param {(one: Candidate) => (number | string)[]} keys
   * @returns {(one: Candidate, other: Candidate) => number}
   */
  const by = keys => (one, other) => {
    const [left, right] = [keys(one), keys(other)];
    for (let place = 0; place < left.length; place++) {
      if (left[place] < right[place]) return -1;
      if (left[place] > right[place]) return 1;
    }
    return 0;
  };
  const fastestFirst = by(one => [one.seconds, -score(one), name(one)]);
  const bestFirst = by(one => [-score(one), one.seconds, name(one)]);

  /** @param {Limit} limit @param {number | null | undefined} value */
  const allows = (limit, value) => {
    if (value === null || value === undefined) return false;
    const slack = ROUNDING * Math.max(1, Math.abs(limit.value));
    return limit.bound === "most" ? value <= limit.value + slack : value >= limit.value - slack;
  };

  /**
   * The limits on a candidate, each with the figure that it is about.
   * @param {Candidate} candidate @param {Limit[]} limits
   * @returns {[Limit, Figure | undefined][]}
   */
  const checked = (candidate, limits) => {
    const parts = candidate.parts ?? [];
    /** @type {[Limit, Figure | undefined][]} */
    const found = [];
    for (const limit of limits) {
      const overAll = limit.task === null && MEANS.includes(limit.figure) && parts.length > 0;
      for (const one of overAll || !parts.length ? [candidate] : parts) {
        const everywhere = limit.task === null
          && !limits.some(other => other.figure === limit.figure && other.task === one.task);
        if (overAll || everywhere || limit.task === one.task) {
          found.push([limit, one.figures[limit.figure]]);
        }
      }
    }
    return found;
  };

  /** The limits that a candidate does not meet. @param {Candidate} candidate @param {Limit[]} limits */
  const misses = (candidate, limits) => [...new Set(checked(candidate, limits)
    .filter(([limit, figure]) => !allows(limit, figure?.[0])).map(([limit]) => limit))];

  /**
   * The limits that a candidate meets by its value, but not by its whole interval.
   * @param {Candidate} candidate @param {Limit[]} limits
   */
  const doubtful = (candidate, limits) => [...new Set(checked(candidate, limits)
    .filter(([limit, figure]) => figure !== undefined && allows(limit, figure[0])
      && !allows(limit, figure[limit.bound === "most" ? 2 : 1]))
    .map(([limit]) => limit))];

  /** Those that no other dominates, fastest first. @param {Candidate[]} candidates */
  const front = candidates => {
    let [best, atBest] = [-Infinity, -Infinity];
    return [...candidates].sort(fastestFirst).filter(one => {
      if (score(one) > best) {
        [best, atBest] = [score(one), one.seconds];
        return true;
      }
      return score(one) === best && one.seconds === atBest;
    });
  };

  /** The lowest known figure; the fastest of equals. @param {Candidate[]} candidates @param {string} figure */
  const lowest = (candidates, figure) => candidates.filter(one => one.figures[figure])
    .sort(by(one => [one.figures[figure][0], one.seconds, name(one)]))[0] ?? null;

  /**
   * The decision among the candidates of one task in one scenario, or over the same tasks.
   * @param {Candidate[]} candidates @param {Limit[]} limits @param {number} margin
   * @param {boolean} surely a doubtful limit is not met
   * @returns {Decision}
   */
  const decide = (candidates, limits, margin, surely = false) => {
    const meeting = candidates.filter(one => !misses(one, limits).length
      && !(surely && doubtful(one, limits).length));
    const best = [...meeting].sort(bestFirst)[0] ?? null;
    const enough = best
      ? meeting.filter(one => score(one) >= score(best) - margin - ROUNDING) : [];
    return {
      meeting,
      answer: enough.sort(fastestFirst)[0] ?? null,
      best,
      fastest: [...meeting].sort(fastestFirst)[0] ?? null,
      cheapest: lowest(meeting, "cost"),
      smallest: lowest(meeting, "memory"),
      frontier: front(meeting),
    };
  };

  /** The mean of the values, of memory the highest; null if one is unknown. */
  const combined = (/** @type {(number | null)[]} */ values, /** @type {string} */ figure) => {
    /** @type {number[]} */
    const known = [];
    for (const value of values) {
      if (value === null) return null;
      known.push(value);
    }
    return MEANS.includes(figure)
      ? known.reduce((sum, value) => sum + value, 0) / known.length : Math.max(...known);
  };

  /**
   * The variants with a candidate in each of the tasks, as candidates over all of them.
   * @param {Candidate[]} candidates @param {string[]} tasks
   * @returns {Candidate[]}
   */
  const overTasks = (candidates, tasks) => {
    /** @type {Map<string, Map<string, Candidate>>} */
    const found = new Map();
    for (const one of candidates) {
      const here = found.get(name(one)) ?? new Map();
      found.set(name(one), here.set(one.task, one));
    }
    const whole = [...found.values()].filter(here => tasks.every(task => here.has(task)));
    return whole.map(here => {
      const parts = tasks.map(task => /** @type {Candidate} */ (here.get(task)));
      /** @type {Record<string, Figure>} */
      const figures = {};
      for (const figure of [...MEANS, "memory"]) {
        if (!parts.every(one => one.figures[figure])) continue;
        figures[figure] = /** @type {Figure} */ ([0, 1, 2].map(
          end => combined(parts.map(one => one.figures[figure][end]), figure)));
      }
      const seconds = parts.reduce((sum, one) => sum + one.seconds, 0) / parts.length;
      return {variant: parts[0].variant, device: parts[0].device, task: "", seconds, figures, parts};
    });
  };

  return {ROUNDING, decide, doubtful, misses, name, overTasks, score};
})();
