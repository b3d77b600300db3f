"""What each page of results found, in a sentence that is made from its tables, and the cards that show it.

No sentence is typed with a number in it, and none says more than its table: a table that is made again
changes the sentence.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from deca_nb.figures import distinct_worlds

Finding = Callable[[Path], str]


def table_of(report: Path, name: str) -> pd.DataFrame:
    """One of a report's tables: "cells" of ml-100k.md is ml-100k-cells.csv."""
    return pd.read_csv(report.with_name(f"{report.stem}-{name}.csv"))


def last_metric(frame: pd.DataFrame) -> str:
    """The metric that stands last: NDCG of the longest list."""
    return frame["metric"].iloc[-1]


def spoken(metric: str) -> str:
    """A metric as a reader writes it: "NDCG@20"."""
    name, _, length = metric.partition("@")
    return f"{name.upper() if name == 'ndcg' else name}@{length}"


def is_agreeing(methods: pd.Series) -> pd.Series:
    """Which methods are DeCA or DeCA(p)."""
    return methods.isin(("DeCA", "DeCA(p)"))


# The tables.


def what_popularity_reaches(report: Path) -> str:
    """How many pairs can be found, by whom, and what popularity and chance reach."""
    counts, values = (table_of(report, part).set_index("name")["value"] for part in ("counts", "shares"))
    longest = next(name for name in reversed(values.index) if name.startswith("chance recall@"))
    metric = longest.removeprefix("chance ")
    return (
        f"{counts['truth pairs']:,} pairs of truth of {counts['truth users']:,} users, of which "
        f"{values['masked truth share']:.0%} are masked; popularity reaches {spoken(metric)} "
        f"{values[f'popular {metric}']:.3f}, chance {values[longest]:.3f}"
    )


def who_leads(report: Path) -> str:
    """In how many columns DeCA or DeCA(p) is best, and whether a plain ranker is above all."""
    cells, rankers = table_of(report, "cells"), table_of(report, "rankers")
    best = cells.loc[cells.groupby(["model", "metric"])["mean"].idxmax()]
    n_methods = cells["method"].nunique()
    top, plain = (
        cells.groupby("metric")["mean"].max(),
        rankers.pivot(index="metric", columns="model", values="mean"),
    )
    above = plain.gt(top, axis=0).sum().sort_values(ascending=False)
    n_led = is_agreeing(best["method"]).sum()
    led = f"DeCA or DeCA(p) is best of {n_methods} methods in {n_led} of {len(best)} columns"
    if not above.iloc[0]:
        return f"{led}; no plain ranker is above every row"
    return f"{led}; {above.index[0]} is above every row in {above.iloc[0]} of {len(top)} metrics"


def how_near(report: Path) -> str:
    """How many of the paper's cells come out again."""
    near = table_of(report, "near").set_index("method").loc["all"]
    return f"{near['near']} of {near['printed']} of the paper's numbers come out near"


def sizes(report: Path) -> str:
    """What is counted, and what the paper prints."""
    sizes = table_of(report, "table").set_index("from")[["users", "items", "interactions"]]
    said = {row: ", ".join(f"{n:,} {name}" for name, n in sizes.loc[row].items()) for row in sizes.index}
    return f"{said['counted']} in the files; the paper prints {said['paper']}"


def tuned_alike(report: Path) -> str:
    """How often tuned DeCA is below or above tuned normal training, by tests corrected over the table."""
    tests = table_of(report, "against-normal")
    ours = tests[is_agreeing(tests["method"]) & (tests["metric"] == last_metric(tests))]
    below = ours[(ours["difference"] < 0) & (ours["p_holm"] < 0.05)]
    return (
        f"Tuned alike, DeCA and DeCA(p) are clearly below normal training in {len(below)} of {len(ours)} "
        f"comparisons of {spoken(last_metric(tests))}, clearly above in "
        f"{((ours['difference'] > 0) & (ours['p_holm'] < 0.05)).sum()}"
    )


# The figures.


def gap_of_noise(report: Path) -> str:
    """How much more two models differ on noisy clicks, before and after popularity and loss are matched."""
    gaps = table_of(report, "differences").groupby("matched for", sort=False)["gap mean"].mean()
    first, last = gaps.index[0], gaps.index[-1]
    plainly = f"Two models differ by {gaps[first]:.3f} more on noisy clicks"
    return f"{plainly}; with {last} matched, by {gaps[last]:.3f}"


def falls_at_the_end(report: Path) -> str:
    """What is left of the best recall at the last epoch."""
    curves = table_of(report, "curves")
    recall = next(name for name in curves if name.startswith("recall@"))
    kept = curves.groupby("method", sort=False)[recall].agg(lambda values: values.iloc[-1] / values.max())
    told = ", ".join(f"{method} {share:.0%}" for method, share in kept.items())
    return f"Of the best {recall} the last epoch keeps: {told}"


def slope_of_popularity(report: Path) -> str:
    """How well the scores and popularity order liked before disliked clicks."""
    auc = table_of(report, "auc").groupby("score", sort=False)["overall value"].mean()
    others = ", ".join(f"{auc[name]:.2f} ({name})" for name in ("popularity", "Normal") if name in auc)
    return f"DeCA orders liked before disliked clicks with an AUC of {auc['DeCA']:.2f}; others: {others}"


def best_constants(report: Path) -> str:
    """The best point of the surface, and where the released one stands."""
    surface = table_of(report, "surface")
    of_deca = surface[(surface["method"] == "DeCA") & (surface["metric"] == last_metric(surface))]
    best = of_deca.loc[of_deca["mean"].idxmax()]
    place = f"C1 = {best['c1']:g}, C2 = {best['c2']:g} ({best['mean']:.3f})"
    ratio = of_deca["c1"] / of_deca["c2"]
    equal, far = of_deca[ratio == 1]["mean"].mean(), of_deca[(ratio >= 100) | (ratio <= 0.01)]["mean"].mean()
    return (
        f"DeCA's {spoken(best['metric'])} is best at {place}; where both are equal it is {equal:.3f} on "
        f"average, where one is 100 times the other or more {far:.3f}"
    )


# What the paper did not ask.


def largest_step(report: Path) -> str:
    """Which step from the paper's protocol to the clean one moves the rows most."""
    steps = table_of(report, "steps")
    at = steps[steps["metric"] == last_metric(steps)].pivot_table(
        index="step", columns=["model", "method"], values="mean", sort=False
    )
    moved = at.diff().abs().mean(axis=1)
    return (
        f"Of {len(at) - 1} steps from the paper's protocol to a clean one, `{moved.idxmax()}` moves "
        f"{spoken(last_metric(steps))} most: by {moved.max():.3f} on average"
    )


def where_it_pays(report: Path) -> str:
    """In how many worlds the gain over tuned normal training is certain."""
    worlds = distinct_worlds(table_of(report, "map"))
    gains = worlds[is_agreeing(worlds["method"])]
    sure = gains[gains["recall@20 low"] > 0]
    large = sure["embedding_dim"] == gains["embedding_dim"].max()
    return (
        f"DeCA or DeCA(p) is above tuned normal training beyond the interval in {len(sure)} of {len(gains)} "
        f"cells, {large.sum()} of them with the larger model"
    )


def who_doubts_best(report: Path) -> str:
    """Whose doubt finds noise best, over all worlds."""
    auc = table_of(report, "recovery").groupby("method")["noise auc mean"].mean().sort_values(ascending=False)
    return (
        f"{auc.index[0]} finds noise best (AUC {auc.iloc[0]:.2f} over all worlds); DeCA has {auc['DeCA']:.2f}"
    )


def what_labels_buy(report: Path) -> str:
    """How much of the oracle's gain 300 labels recover, and with what interval."""
    price = table_of(report, "price")
    at = price[(price["labels"] == 300) & (price["metric"] == "ndcg@20")].set_index("asked")
    row = at.loc["by exposure"]
    return (
        f"300 labels, asked by exposure, recover {row['recovered']:.0%} of the oracle's gain in NDCG@20 "
        f"[{row['recovered low']:.0%}, {row['recovered high']:.0%}]"
    )


def what_labels_buy_on_splits(report: Path) -> str:
    """How much of the oracle's gain 300 labels recover over splits, and with what interval."""
    gains = table_of(report, "gains")
    asked = gains[(gains["labels"] == 300) & (gains["metric"] == "ndcg@20")].set_index("lists")
    row = asked.loc["by exposure"]
    if pd.isna(row["recovered"]):
        return "On splits cut again at random no oracle gains, so nothing can be recovered"
    share = f"{row['recovered']:.0%} of the oracle's gain in NDCG@20"
    told = f"On splits cut again at random 300 labels recover {share}"
    if pd.isna(row["recovered low"]):
        return told
    return f"{told} [{row['recovered low']:.0%}, {row['recovered high']:.0%}]"


def what_data_choose(report: Path) -> str:
    """How often held-out clicks choose noise, and what it does to the lists."""
    looks = table_of(report, "looks")
    return (
        f"Held-out clicks choose noise in {(looks['chosen'] > 0).sum()} of {len(looks)} searches; the best "
        f"training with noise changes NDCG@20 by {looks['difference'].mean():+.3f} on average"
    )


def what_noise_is_found(report: Path) -> str:
    """How well noise that follows fame is found, and how often there is said to be none in clean worlds."""
    worlds = table_of(report, "worlds")
    fame, clean = (worlds[worlds["noise"] == kind] for kind in ("by fame", "none"))
    return (
        f"ClickChannel finds noise that follows fame with an AUC of {fame['noise auc mean'].mean():.2f} "
        f"(normal training: {fame['normal auc mean'].mean():.2f}), and finds none in "
        f"{clean['abstained mean'].mean():.0%} of the searches in clean worlds"
    )


def over_blocks(ranks: pd.DataFrame) -> str:
    """Whose mean rank is best over all data sets, and that of normal training."""
    best, normal = ranks.iloc[0], ranks.loc[ranks["method"] == "Normal", "rank"].iloc[0]
    return (
        f"Over {ranks.shape[1] - 2} blocks {best['method']} has the best mean rank ({best['rank']:.1f} of "
        f"{len(ranks)}); normal training has {normal:.1f}"
    )


def who_stands_where(report: Path) -> str:
    """Which row is best, and how many are clear of normal training; of the standing the ranks."""
    if report.stem == "standing":
        return over_blocks(table_of(report, "ranks"))
    rows = pd.concat([table_of(report, part) for part in ("cells", "rankers")], ignore_index=True)
    rows = rows[(rows["metric"] == "ndcg@20") & (rows["method"] != "Oracle")]
    best = rows.loc[rows["mean"].idxmax()]
    name = best["model"] if best["method"] == "-" else f"{best['model']} with {best['method']}"
    tests = table_of(report, "against-normal").query("metric == 'ndcg@20' and method != 'Oracle'")
    sure = tests[(tests["p_holm"] < 0.05) & ((tests["low"] > 0) | (tests["high"] < 0))]
    above = (sure["difference"] > 0).sum()
    return (
        f"{name} is best (NDCG@20 {best['mean']:.3f}); of {len(tests)} methods {above} are above tuned "
        f"normal training beyond chance, {len(sure) - above} below"
    )


# Speed.


def cells_of(report: Path) -> dict:
    """The measured cells beside a page of speed."""
    return json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))["cells"]


def how_fast(report: Path) -> str:
    """An epoch on MovieLens, and a plain loop's."""
    cell = cells_of(report)["GMF, DeCA, ml-100k"]
    return (
        f"An epoch of GMF + DeCA on MovieLens-100K takes {cell['epoch']:.2f} s on one core, "
        f"{cell['plain step'] / cell['step']:.0f} times as fast as the plain loop"
    )


def on_a_gpu(report: Path) -> str:
    """How much faster than one core: the slowest and the fastest cell."""
    here, there = cells_of(report), cells_of(report.parents[1] / "speed" / "speed.md")
    ratio = {name: there[name]["step"] / cell["step"] for name, cell in here.items() if "step" in cell}
    slowest, fastest = min(ratio, key=ratio.get), max(ratio, key=ratio.get)
    return (
        f"A GPU has {ratio[slowest]:.1f} times the speed of one core for {slowest}, "
        f"{ratio[fastest]:.0f} times for {fastest}"
    )


def how_files_are_read(report: Path) -> str:
    """Seconds and memory of the first file."""
    files = table_of(report, "files")
    first = files.iloc[0]
    return (
        f"{first['pairs'] / 1e6:.0f} million clicks are read from {first['MB']:.0f} MB of text in "
        f"{first['read, busy']:.0f} s of one core and {first['GB to read']:.1f} GB"
    )


def how_fast_lists_are(report: Path) -> str:
    """The slowest of the models that have to stay below a minute."""
    cells = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    slowest = max((cell for cell in cells if cell["limit"] <= 60), key=lambda cell: cell["for everybody"])
    return (
        f"Lists for {slowest['users']:,} users take {slowest['for everybody']:.0f} s of one core "
        f"with {slowest['model']}, the slowest of four models"
    )


def what_was_survived(report: Path) -> str:
    """All attacks of a seed."""
    kinds = pd.read_json(report.with_suffix(".json")).set_index("kind")
    total = kinds.loc["all"]
    return f"{total['survived']:,} of {total['tried']:,} attacks were survived"


def how_flat_memory_is(report: Path) -> str:
    """The model whose memory grew most."""
    models = pd.read_json(report.with_suffix(".json")).set_index("model")
    growth = models["MB"].map(lambda held: held[-1] / held[len(held) // 10] - 1)
    return (
        f"In {models['steps'].min():,} steps of each model memory grew by at most {growth.max():.1%} "
        f"({growth.idxmax()}) after the first tenth"
    )


def what_a_journey_found(report: Path) -> str:
    """What tuning says of these data, without its numbers."""
    lines = report.read_text(encoding="utf-8").splitlines()
    said = next(line for line in lines if line.startswith(("The best method that denoises", "These data do")))
    return f"{report.stem}: {said.partition(' (')[0].partition(':')[0].rstrip('.')}"


# All of them.

FINDINGS: dict[str, Finding] = {
    "table1": sizes,
    "audit": what_popularity_reaches,
    "table2": who_leads,
    "table3": who_leads,
    "table4": how_near,
    "table5": who_leads,
    "table6": how_near,
    "probabilities": how_near,
    "figure2": gap_of_noise,
    "figure3": falls_at_the_end,
    "figure4": slope_of_popularity,
    "figure5": best_constants,
    "figure6": best_constants,
    "ladder": largest_step,
    "tuned": tuned_alike,
    "map": where_it_pays,
    "recovery": who_doubts_best,
    "labels": what_labels_buy,
    "labels-splits": what_labels_buy_on_splits,
    "channel": what_noise_is_found,
    "channel-large": what_noise_is_found,
    "channel-data": what_data_choose,
    "field": who_stands_where,
    "speed": how_fast,
    "gpu": on_a_gpu,
    "reading": how_files_are_read,
    "serving": how_fast_lists_are,
    "faults": what_was_survived,
    "soak": how_flat_memory_is,
    "journeys": what_a_journey_found,
}

SECTIONS = {
    "The paper's tables": ("table1", "table2", "table3", "table4", "table5", "table6", "probabilities"),
    "The paper's figures": ("figure2", "figure3", "figure4", "figure5", "figure6"),
    "What the paper did not ask": (
        "field",
        "tuned",
        "labels",
        "labels-splits",
        "journeys",
        "map",
        "recovery",
        "channel",
        "channel-large",
        "channel-data",
        "ladder",
        "audit",
    ),
    "Speed": ("speed", "gpu", "reading", "serving"),
    "Reliability": ("faults", "soak"),
}


def finding(report: Path) -> str:
    """The sentence of a report. Raises `KeyError` for one of an experiment that has none."""
    return FINDINGS[report.parent.name](report)
