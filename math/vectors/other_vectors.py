#!/usr/bin/env python3
"""Golden vectors of the same schema as golden_rewards.json, with other cases.

All numbers come from golden_rewards.py's own functions; only its main() is replaced
by one that draws the cases from a seed. Sections without random input there get
random input here too.

Usage: python3 other_vectors.py SEED > other.json     (needs mpmath)
"""
import json, pathlib, sys

SOURCE = pathlib.Path(__file__).with_name("golden_rewards.py")

def generator():
    """The names of golden_rewards.py, without running its main()."""
    text = SOURCE.read_text()
    call = "\nmain()\n"
    if not text.endswith(call):
        sys.exit(f"{SOURCE}: doesn't end in a call of main()")
    names = {"__name__": "golden_rewards"}
    exec(compile(text[: -len(call)], str(SOURCE), "exec"), names)
    return names

G = generator()
S, M, Fr, mpf, Q64, UNIT, PERBILL = (G[k] for k in ("S", "M", "Fr", "mpf", "Q64", "UNIT", "PERBILL"))

class Random(G["SplitMix64"]):
    def below(self, bound):
        return self.next() % bound

    def bits(self, most=127):
        """A number above 0 of any size below 2^most."""
        return ((self.next() << 64 | self.next()) & ((1 << most) - 1)) >> self.below(most) or 1

    def pick(self, *choices):
        return choices[self.below(len(choices))]

    def decimal(self, whole, places):
        """Up to `whole`, with up to `places` decimal places, as text."""
        scale = 10 ** self.below(places + 1)
        value = self.below(whole * scale + 1)
        return str(value // scale) if scale == 1 else f"{value // scale}.{value % scale:0{len(str(scale)) - 1}d}"

    def eighths(self, whole):
        """Exact in Q32, as the real values are of the decimal number."""
        return str(self.below(8 * whole) / 8)

    def gamma(self):
        return self.pick("0", "1", self.decimal(1, 9))

    def q(self):
        # Below 0.01 a q of Q64 has too few digits for the generator's own bounds.
        return self.pick("0", "1", f"0.{10 + self.below(90)}{self.below(1000):03d}")

    def alpha(self):
        return self.pick("0", "0.5", "1", "2", self.eighths(2))

    def lam(self):
        return self.pick("0", "87", self.eighths(86))

    def stake(self):
        return (1 + self.below(10**6)) * UNIT + self.below(UNIT)

    def stakes(self, n):
        return [self.stake() for _ in range(n)]

def within_bounds(draw):
    """The first case that the generator defines (all weights may round to 0) and whose
    rounding stays within the bounds that it asserts."""
    while True:
        try:
            return draw()
        except (AssertionError, ZeroDivisionError):
            pass

def primitives(r, out):
    mp, exp, log, power = G["mp"], G["exp"], G["log"], G["power"]
    # Arguments that Q64 holds well: what is cut off moves e^-x by less than 2^-52.
    xs = ["0", *(r.decimal(60, 9) for _ in range(16))]
    out["exp_neg"] = [{"x": x, "exp_minus_x": S(exp(-mpf(x)))} for x in xs]
    ys = [r.below(66) * Q64 + r.next() for _ in range(20)]
    out["ref_exp2_neg_q64"] = [{"y_q64": str(y), "out_q64": str(G["exp2_neg_q64"](y)), "real": S(power(2, -mpf(y) / Q64))} for y in ys]
    xs = [r.bits() for _ in range(20)]
    out["ref_log2_q64"] = [{"x": str(x), "out_q64": str(G["log2_q64"](x)), "real": S(log(mpf(x)) / log(2))} for x in xs]
    worst = [mpf(0), mpf(0)]
    for _ in range(300):
        x, y = r.bits(), r.next()
        worst[0] = max(worst[0], abs(mpf(G["log2_q64"](x)) / Q64 - log(mpf(x)) / log(2)))
        worst[1] = max(worst[1], abs(mpf(G["exp2_neg_q64"](y)) / Q64 - power(2, -mpf(y) / Q64)))
    bounds = {"samples": 300}
    for key, value in zip(("log2_max_abs", "exp2_max_abs"), worst):
        bounds[key] = G["nstr"](value, 5)
        bounds[key + "_as_2pow"] = G["nstr"](log(value) / log(2), 5)
    out["ref_error_bounds_measured"] = bounds
    cases = []
    for _ in range(24):
        low, high = sorted((r.bits(), r.bits()))
        alpha = r.alpha()
        real = mpf(1) if G["F"](alpha) == 0 else power(M(Fr(low, high)), M(G["F"](alpha)))
        ref = G["pow_ratio_ref"](low, high, int(G["F"](alpha) * (1 << 32)))
        cases.append({"t": str(low), "tmax": str(high), "alpha": alpha, "ratio_pow": S(real), "ref_q64": str(ref)})
    out["pow_ratio"] = cases

def formulas(r, out):
    cases = []
    for _ in range(24):
        q, n = r.q(), 1 + r.below(12)
        w = [G["qpow_real"](G["F"](q), k) for k in range(1, n + 1)]
        paper = None
        if G["F"](q) not in (0, 1):
            paper = [S((1 - M(G["F"](q))) / (1 - G["power"](M(G["F"](q)), n)) * x) for x in w]
        cases.append({"q": q, "n": n, "g_normalised": [S(x / sum(w)) for x in w], "paper_prefix_times_qk": paper})
    out["geometric"] = cases
    cases = []
    for _ in range(60):
        gamma, t, s = r.gamma(), r.below(10**6), r.below(10**6) + 1
        st, sv = G["pool_split"](gamma, t * UNIT, s * UNIT)
        ratio = None if t == 0 or sv == 0 or st == 0 else S((st / t) / (sv / s))
        cases.append({"gamma": gamma, "T": str(t * UNIT), "S": str(s * UNIT), "share_train": S(st), "share_val": S(sv), "yield_train_per_stake_over_val": ratio})
    out["pool_split"] = [case for case in cases if case["yield_train_per_stake_over_val"]]
    ts, vs, g = [1 + r.below(900) for _ in range(4)], [1 + r.below(900) for _ in range(2)], Fr(r.below(100), 100)
    total = sum(ts) + sum(vs)
    correct, literal = (g + (1 - 2 * g) * Fr(sum(some), total) for some in (ts, ts[: len(vs)]))
    out["typo_check_validator_pool"] = {
        "t": ts, "s": vs, "gamma": f"{float(g):.2f}", "train_share": S(correct), "val_share_literal_sum_i_to_m_t": S(literal),
        "literal_total": S(literal + correct), "val_share_correct": S(1 - correct)}
    scores, stakes = [[r.below(PERBILL + 1) for _ in range(2)] for _ in range(5)], r.stakes(5)
    columns = [[row[i] for row in scores] for i in (0, 1)]
    flip = {"scores": scores, "stakes": [str(x) for x in stakes]}
    for key, function in (("mean", "wmean"), ("median", "wmedian_low"), ("trim10", "wtrim")):
        flip[key] = [S(G[function](column, stakes)) for column in columns]
    out["rank_flip_2pct"] = flip

def task_day(r, index):
    n, m = 1 + r.below(9), 1 + r.below(12)
    truth = [r.below(PERBILL) for _ in range(n)]
    # Sometimes few distinct scores, so that some tie.
    step = r.pick(1, 1, 250_000_000)
    score = lambda i: None if r.below(10) == 0 else min(PERBILL, max(0, (truth[i] + r.below(20_000_001) - 10_000_000) // step * step))
    table = [[score(i) for i in range(n)] for _ in range(m)]
    trainers, validators = r.stakes(n), r.stakes(m)
    if index % 7 == 0:
        trainers[0] = 0
        validators[0] = 0 if m > 1 else UNIT
    if index % 7 == 1:
        trainers[0], validators[0] = 3 * 10**27, 10**27
    day = G["task_day"](
        f"day_{index}", r.below(10**16), r.gamma(), r.q(), r.alpha(), r.alpha(), r.lam(), trainers, validators, table,
        agg=r.pick("mean", "median"), min_score=r.pick(None, 0, Fr(1, 4)))
    if day["in"]["min_score_exclusive"] == "1/4":
        day["in"]["min_score_exclusive"] = "0.25"
    return day

def task_days(r):
    days = [within_bounds(lambda: task_day(r, index)) for index in range(34)]
    n, m = 128, 391
    truth = [r.below(PERBILL) for _ in range(n)]
    table = [[min(PERBILL, max(0, t + r.below(20_000_001) - 10_000_000)) for t in truth] for _ in range(m)]
    days.append(G["task_day"]("day_128x391", 1074 * UNIT, "0.3", "0.9", "1", "1", "50", r.stakes(n), r.stakes(m), table))
    return days

def protocol(r, out):
    lists = [[r.bits(90) for _ in range(1 + r.below(30))] for _ in range(6)]
    out["caps"] = [{"stakes": [str(x) for x in c], "seats_10": [str(x) for x in G["seats_cap"](c, 10)], "percentile_88": [str(x) for x in G["percentile_cap"](c, 88)]} for c in lists]
    cases = []
    for _ in range(30):
        low, high = sorted((r.bits(95), r.bits(95)))
        k = r.pick(0, 1, r.below(40), r.below(400))
        cases.append({"s": str(low), "total": str(high), "k": k, "threshold": str(G["draw_threshold"](low, high, k)), "weight": str(G["draw_weight"](low, low, high, k))})
    out["draw"] = cases
    cases = []
    for index in range(100):
        n = 1 + r.below(9)
        scores, stakes, pool = [r.below(12) for _ in range(n)], r.stakes(n), r.below(10**16)
        q, depth, el = r.q(), r.pick(0, 1, 20, r.below(300)), list(range(n))
        cons = [Fr(x, 10) for x in scores]
        cases.append({
            "name": f"order_{index}", "q": q, "depth": depth, "scores": scores, "stakes": [str(x) for x in stakes], "pool": str(pool),
            "real": [S(x) for x in G["rank_by_stake_real"](cons, stakes, q, depth, el)],
            "ref": [str(x) for x in G["rank_by_stake_ref"](cons, stakes, q, depth, pool, el)]})
    out["rank_by_stake"] = cases
    out["rounds"] = [
        within_bounds(lambda: G["random_round"](
            f"round_{index}", r.next(), 1 + r.below(25), 3 + r.below(40), r.pick(0, 5, 21, r.below(60)), r.pick(0, 10, 3), agg=r.pick("mean", "median"),
            q=r.q(), depth=r.below(60), band=r.pick(0, 1_000_000, r.below(50_000_000)), skip=r.below(45), invalid=r.below(20),
            min_scorers=r.below(5), lam=r.lam(), gamma=r.gamma()))
        for index in range(12)]

def money(r, out):
    cases = []
    for _ in range(20):
        own, dels, gross, sigma = r.pick(0, r.stake()), r.stakes(r.below(6)), r.below(10**16), r.pick("0", "1", r.decimal(1, 9))
        own = own or (0 if dels else UNIT)
        node, ds = G["delegation"](gross, own, dels, sigma)
        ref_node, ref_ds, part = G["delegation_ref"](gross, own, dels, sigma)
        literal = sum((1 - G["F"](sigma)) * Fr(d, own + d) for d in dels)
        cases.append({
            "gross": str(gross), "own": str(own), "delegators": [str(d) for d in dels], "sigma": sigma, "node_ratio": S(node),
            "delegator_ratio": [S(x) for x in ds], "literal_total_if_denominator_is_tn_plus_own_td": S(node + literal),
            "ref_node": str(ref_node), "ref_delegator_part": str(part), "ref_delegators": [str(x) for x in ref_ds], "ref_dust": str(part - sum(ref_ds))})
    out["delegation"] = cases
    acc = carry = total = funded = 0
    users, paid, trace = {}, {}, []
    def pay(who):
        stake, snapshot = users.get(who, (0, acc))
        paid[who] = paid.get(who, 0) + (stake * (acc - snapshot) >> 64)
        users[who] = (stake, acc)
    for index in range(60):
        who = r.pick("A", "B", "C", "D")
        event = "join" if index == 0 else r.pick("join", "leave", "reward")
        amount = r.below(10**16)
        if event == "leave":
            amount = r.below(users.get(who, (0, 0))[0] + 1)
            if amount == total:
                event = "join"
        if event == "reward":
            who, funded = None, funded + amount
            shared = (amount << 64) + carry
            acc, carry = acc + shared // total, shared % total
        else:
            pay(who)
            change = amount if event == "join" else -amount
            users[who], total, carry = (users[who][0] + change, acc), total + change, 0
        trace.append({"ev": event, "who": who, "amount": str(amount), "acc_q64": str(acc), "total": str(total)})
    for who in list(users):
        pay(who)
    out["accumulator_trace"] = {"trace": trace, "paid": {u: str(v) for u, v in paid.items()}, "funded": str(funded), "dust": str(funded - sum(paid.values()))}

def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    seed = int(sys.argv[1])
    r = Random(seed)
    out = {"meta": {"source": f"other_vectors.py {seed}", "digits": G["D"], "perbill": PERBILL, "unit": str(UNIT), "LN2_Q64": str(G["LN2_Q64"]), "LOG2E_Q64": str(G["LOG2E_Q64"]), "conventions": []}}
    primitives(r, out)
    formulas(r, out)
    out["task_days"] = task_days(r)
    protocol(r, out)
    money(r, out)
    json.dump(out, sys.stdout, indent=1)

main()
