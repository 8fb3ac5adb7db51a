/**
 * Takes an explanation apart. Everything that made a product likely is brought to one unit, points, which add up: the
 * four alignments of each part of the query, words that were found, and where every product starts. Points become
 * the relevance, and boosts the score.
 */

/**
 * What a tree says: `{groups, words, start, points, relevance, steps, score, tree}`, or with `groups` null where
 * the score was not made of alignments. `points` is the sum of everything; `steps` lead from relevance to score.
 */
export function takeApart(tree) {
  const steps = [];
  const inner = unwrap(tree, steps);
  const found = { tree, steps, score: tree.value, groups: null, words: null, start: 0, points: null, relevance: inner.value };
  if (inner.op !== "calibration" && inner.op !== "evidence") return found;
  const [raw, slope, intercept, words] = inner.children;
  found.groups = raw.children.map((term) => group(term, slope.value));
  found.start = intercept.value;
  found.words = words ? { points: words.value, found: !/not found/.test(textOf(words)) } : null;
  found.points = total(found);
  found.relevance = logistic(found.points);
  return found;
}

/** The score as it follows from what is shown; equals the service's own to rounding. */
export function addUp(found) {
  return found.steps.reduceRight((value, step) => (step.kind === "boosts" ? boosted(value, step) : step.value), found.relevance);
}

/** All lines of a tree, as `{depth, label, op, value}`. */
export function linesOf(tree, depth = 0) {
  return [{ depth, label: tree.label, op: tree.op, value: tree.value }, ...(tree.children ?? []).flatMap((child) => linesOf(child, depth + 1))];
}

/** The curve from points to relevance. */
export function logistic(points) {
  return 0.5 * (1 + Math.tanh(0.5 * points));
}

function unwrap(node, steps) {
  if (node.op === "blend") {
    const [kept, ...added] = node.children;
    const [share, inner] = kept.children;
    const boosts = added.map(({ children: [weight, signal] }) => ({ label: signal.label, weight: weight.value, value: signal.value }));
    steps.push({ kind: "boosts", kept: share.value, boosts, value: node.value });
    return unwrap(inner, steps);
  }
  if (node.op === "rerank") {
    steps.push({ kind: "reranked", label: node.label, value: node.value });
    return unwrap(node.children[1], steps);
  }
  return node;
}

function group(term, slope) {
  return {
    label: term.label,
    bars: term.children.map((product) => {
      const [weight, cosine] = product.children.map((child) => child.value);
      const [, query, half] = /query_(\w+) · product_(\w+)/.exec(product.label) ?? [];
      return { query, half, imputed: /imputed/.test(product.label), weight, cosine, points: slope * product.value };
    }),
  };
}

function total({ groups, words, start }) {
  const bars = groups.flatMap((each) => each.bars.map((bar) => bar.points));
  return bars.reduce((sum, points) => sum + points, 0) + start + (words?.points ?? 0);
}

function boosted(value, { kept, boosts }) {
  return boosts.reduce((sum, boost) => sum + boost.weight * boost.value, kept * value);
}

function textOf(node) {
  return [node.label, ...(node.children ?? []).map(textOf)].join(" ");
}
