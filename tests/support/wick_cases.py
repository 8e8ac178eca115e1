"""The golden table: hand-drawn wicks, each with its sentence (read by test_wick_detector.py).

Minutes count from 20:00 UTC, where a 4h candle begins. A candle is drawn as ``open high low close``
(one price: one trade); ``+5`` is the moment 5 minutes after 20:00, ``105@+1`` the wick with its tip
at 105 that was born at +1. A tick is 1 unless a case says otherwise.
"""

from dataclasses import dataclass, field

WEEK = 168 * 60


@dataclass(frozen=True)
class Case:
    """What trades, and what becomes known of the wicks it is ``about``."""

    says: str
    candles: dict[int, str]
    known: list[str]
    about: tuple[str, ...] = ("1m high",)
    until: int | None = None  # the first minute still open at the end; default: after the candles
    tick: str = "1"
    later_tick: tuple[int, str] | None = None  # for records later than the start of this minute
    late: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    # {minute: [(seconds after 20:00, price)]}: lines that are read after the candle of the minute
    holes: tuple[int, ...] = ()  # an id is missing before the trades of these seconds


FIRST = "100 105 100 101"
BORN = "+1 born 1m high 105, 4 long"
BORN_5M = "+5 born 5m high 105, 4 long"

CASES = [
    Case(
        "A wick is what stands out of the body, on either side; it is born when its candle ends.",
        {0: "100 105 98 102"},
        ["+1 born 1m high 105, 3 long", "+1 born 1m low 98, 2 long"],
        about=("1m",),
    ),
    Case("A candle that closes at its high has no high wick.", {0: "100 105 100 105"}, []),
    Case("A candle that opens at its high has none either.", {0: "105 105 100 101"}, []),
    Case("A candle of one trade has no wick at all.", {0: "100"}, [], about=("1m",)),
    Case("No size is too small.", {0: "100 102 100 101"}, ["+1 born 1m high 102, 1 long"]),
    Case(
        "Equality is a touch: EXACT, 0 ticks past the tip.",
        {0: FIRST, 1: "101 105 101 102"},
        [
            BORN,
            "+2 touched 1m high 105@+1 by wick, 0 past EXACT, age 1",
            "+2 born 1m high 105, 3 long, tip 0 EXACT of +1",
        ],
    ),
    Case(
        "One tick short is no touch; the new wick is just another one.",
        {0: FIRST, 1: "101 104 101 102"},
        [BORN, "+2 born 1m high 104, 2 long"],
    ),
    Case(
        "A candle that opens beyond the tip and never looks back touches it with its body.",
        {0: FIRST, 1: "108 110 107 110"},
        [BORN, "+2 touched 1m high 105@+1 by body, 5 past THROUGH, age 1"],
    ),
    Case(
        "A jump over the tip in quiet minutes: the extreme counts, not the way there.",
        {0: FIRST, 4: "107 107 106 106"},
        [BORN, "+5 touched 1m high 105@+1 by body, 2 past CLOSE, age 4"],
    ),
    Case(
        "A body that ends exactly at the tip reaches it.",
        {0: FIRST, 1: "101 106 101 105"},
        [
            BORN,
            "+2 touched 1m high 105@+1 by body, 1 past NEAR, age 1",
            "+2 born 1m high 106, 1 long, tip 1 NEAR of +1",
        ],
    ),
    Case(
        "A body that ends a tick short does not: only the wick touched.",
        {0: FIRST, 1: "101 106 101 104"},
        [
            BORN,
            "+2 touched 1m high 105@+1 by wick, 1 past NEAR, age 1",
            "+2 born 1m high 106, 2 long, tip 1 NEAR of +1",
        ],
    ),
    Case(
        "A red candle that opens at the tip reaches it with its body, too.",
        {0: FIRST, 1: "105 105 102 102"},
        [BORN, "+2 touched 1m high 105@+1 by body, 0 past EXACT, age 1"],
    ),
    Case(
        "Tip to tip at 3 ticks still counts.",
        {0: FIRST, 1: "101 108 101 102"},
        [
            BORN,
            "+2 touched 1m high 105@+1 by wick, 3 past CLOSE, age 1",
            "+2 born 1m high 108, 6 long, tip 3 CLOSE of +1",
        ],
    ),
    Case(
        "At 4 ticks it does not: the touch is THROUGH, and the new wick names no older one.",
        {0: FIRST, 1: "101 109 101 102"},
        [
            BORN,
            "+2 touched 1m high 105@+1 by wick, 4 past THROUGH, age 1",
            "+2 born 1m high 109, 7 long",
        ],
    ),
    Case(
        "A touch by a candle without a wick of its own is no tip-to-tip.",
        {0: FIRST, 1: "101 105 101 105"},
        [BORN, "+2 touched 1m high 105@+1 by body, 0 past EXACT, age 1"],
    ),
    Case(
        "Of several older tips in one candle the one nearest to the new tip is named.",
        {0: FIRST, 1: "101 104 101 102", 2: "102 106 102 103"},
        [
            BORN,
            "+2 born 1m high 104, 2 long",
            "+3 touched 1m high 105@+1 by wick, 1 past NEAR, age 2",
            "+3 touched 1m high 104@+2 by wick, 2 past CLOSE, age 1",
            "+3 born 1m high 106, 3 long, tip 1 NEAR of +1",
        ],
    ),
    Case(
        "Of older tips equally many ticks away the youngest is named.",
        {0: "100 105.4 100 101", 1: "101 105.2 101 102", 2: "102 106 102 103"},
        [
            "+1 born 1m high 105.4, 4 long",
            "+2 born 1m high 105.2, 3 long",
            "+3 touched 1m high 105.4@+1 by wick, 1 past NEAR, age 2",
            "+3 touched 1m high 105.2@+2 by wick, 1 past NEAR, age 1",
            "+3 born 1m high 106, 3 long, tip 1 NEAR of +2",
        ],
    ),
    Case(
        "A wick that an earlier candle has touched is no longer there to be defended.",
        {0: FIRST, 1: "101 105 101 105", 2: "104 105 104 104"},
        [
            BORN,
            "+2 touched 1m high 105@+1 by body, 0 past EXACT, age 1",
            "+3 born 1m high 105, 1 long",
        ],
    ),
    Case(
        "An older wick of the other side is none of this wick's business.",
        {0: "105 105 100 104", 1: "104 104 98 99", 2: "99 100 99 99"},
        [
            "+1 born 1m low 100, 4 long",
            "+2 touched 1m low 100@+1 by body, 2 past CLOSE, age 1",
            "+2 born 1m low 98, 1 long, tip 2 CLOSE of +1",
            "+3 born 1m high 100, 1 long",
        ],
        about=("1m",),
    ),
    Case(
        "1m and 5m each name the older wick of their own timeframe.",
        {0: FIRST, 5: "101 105 101 102"},
        [
            BORN,
            BORN_5M,
            "+6 touched 1m high 105@+1 by wick, 0 past EXACT, age 5",
            "+6 touched 5m high 105@+5 by wick, 0 past EXACT, age 1",
            "+6 born 1m high 105, 3 long, tip 0 EXACT of +1",
            "+10 born 5m high 105, 3 long, tip 0 EXACT of +5",
        ],
        about=("1m high", "5m high"),
        until=10,
    ),
    Case(
        "Three wicks at one price go with one touch: those of one birth stand by event_id.",
        {0: "100", 14: FIRST, 15: "101 105 101 105"},
        [
            "+15 born 1m high 105, 4 long",
            "+15 born 5m high 105, 4 long",
            "+15 born 15m high 105, 4 long",
            "+16 touched 15m high 105@+15 by body, 0 past EXACT, age 1",
            "+16 touched 1m high 105@+15 by body, 0 past EXACT, age 1",
            "+16 touched 5m high 105@+15 by body, 0 past EXACT, age 1",
        ],
        about=("1m high", "5m high", "15m high"),
    ),
    Case(
        "At one moment births stand 1m, 5m, 15m, 1h, 4h, and high before low.",
        {0: "100", 239: "100 105 98 102"},
        [
            f"+240 born {frame} {rest}"
            for frame in ("1m", "5m", "15m", "1h", "4h")
            for rest in ("high 105, 3 long", "low 98, 2 long")
        ],
        about=("",),
    ),
    Case(
        "A 5m wick is touched by a minute inside its own next candle, before that has closed.",
        {0: FIRST, 7: "101 106 101 106"},
        [BORN_5M, "+8 touched 5m high 105@+5 by body, 1 past NEAR, age 3"],
        about=("5m high",),
        until=9,
    ),
    Case(
        "A 5m wick is not touched by the minutes it was made of.",
        {0: "100", 1: FIRST, 4: "101 105 101 102"},
        [
            "+2 born 1m high 105, 4 long",
            "+5 touched 1m high 105@+2 by wick, 0 past EXACT, age 3",
            "+5 born 1m high 105, 3 long, tip 0 EXACT of +2",
            "+5 born 5m high 105, 3 long",
        ],
        about=("1m high", "5m high"),
        until=7,
    ),
    Case(
        "5m tip-to-tip is measured from the candle's tip, however early in it the touch was.",
        {0: FIRST, 6: "101 105 101 102", 8: "102 107 102 103"},
        [
            BORN_5M,
            "+7 touched 5m high 105@+5 by wick, 0 past EXACT, age 2",
            "+10 born 5m high 107, 4 long, tip 2 CLOSE of +5",
        ],
        about=("5m high",),
        until=10,
    ),
    Case(
        "A 5m wick touched in the candle before is too old a story for 5m tip-to-tip.",
        {0: FIRST, 6: "101 105 101 105", 10: "104 106 104 104"},
        [
            BORN_5M,
            "+7 touched 5m high 105@+5 by body, 0 past EXACT, age 2",
            "+15 born 5m high 106, 2 long",
        ],
        about=("5m high",),
        until=15,
    ),
    Case(
        "A 5m candle that began before the input makes no wick; its 1m candles do.",
        {2: FIRST, 5: "101 104 101 102"},
        [
            "+3 born 1m high 105, 4 long",
            "+6 born 1m high 104, 2 long",
            "+10 born 5m high 104, 2 long",
        ],
        about=("1m high", "5m high", "15m high"),
        until=15,
    ),
    Case(
        "A 5m candle closes with its last minute, even if nothing has traded in that.",
        {0: FIRST},
        [BORN_5M],
        about=("5m high",),
        until=5,
    ),
    Case(
        "Candles without a trade do not exist: nothing is born, and the next one is compared.",
        {0: FIRST, 20: "101 105 101 105"},
        [
            BORN,
            BORN_5M,
            "+15 born 15m high 105, 4 long",
            "+21 touched 1m high 105@+1 by body, 0 past EXACT, age 20",
            "+21 touched 5m high 105@+5 by body, 0 past EXACT, age 16",
            "+21 touched 15m high 105@+15 by body, 0 past EXACT, age 6",
        ],
        about=("1m high", "5m high", "15m high"),
        until=30,
    ),
    Case(
        "A candle that ends exactly 168 h after the birth still touches.",
        {0: FIRST, WEEK: "101 106 101 106"},
        [BORN, f"+{WEEK + 1} touched 1m high 105@+1 by body, 1 past NEAR, age {WEEK}"],
    ),
    Case(
        "One that ends a minute later finds it expired.",
        {0: FIRST, WEEK + 1: "101 106 101 106"},
        [BORN, f"+{WEEK + 1} expired 1m high 105@+1, nearest none"],
    ),
    Case(
        "It expires after 168 h in a minute without trades, known at that time, not later.",
        {0: FIRST, 1: "101 102 101 102", 2 * WEEK: "102 103 102 103"},
        [BORN, f"+{WEEK + 1} expired 1m high 105@+1, nearest 3"],
    ),
    Case(
        "Expiries and touches of one moment stand by birth: 1m before the 5m wick of that candle.",
        {0: FIRST, WEEK: "101 102 101 102", WEEK + 4: "102 105 102 105"},
        [
            BORN,
            BORN_5M,
            f"+{WEEK + 1} expired 1m high 105@+1, nearest 3",
            f"+{WEEK + 5} touched 5m high 105@+5 by body, 0 past EXACT, age {WEEK}",
        ],
        about=("1m high", "5m high"),
    ),
    Case(
        "A touch and an expiry at one moment: the older one, which expires, stands first.",
        {0: "100 120 100 101", 1: FIRST, WEEK: "101 105 101 105"},
        [
            "+1 born 1m high 120, 19 long",
            "+2 born 1m high 105, 4 long",
            f"+{WEEK + 1} expired 1m high 120@+1, nearest 15",
            f"+{WEEK + 1} touched 1m high 105@+2 by body, 0 past EXACT, age {WEEK - 1}",
        ],
    ),
    Case(
        "The nearest that came is kept, not the newest: 2 ticks, then 5.",
        {0: FIRST, 1: "101 103 101 103", 2: "100 100 99 99", WEEK - 9: "99", WEEK + 9: "99"},
        [BORN, f"+{WEEK + 1} expired 1m high 105@+1, nearest 2"],
    ),
    Case(
        "How near it came is still known when what was farther out is forgotten after a week.",
        {0: "200", 5: FIRST, 6: "101 103 101 103", WEEK + 1: "99", WEEK + 2: "99", WEEK + 6: "99"},
        ["+6 born 1m high 105, 4 long", f"+{WEEK + 6} expired 1m high 105@+6, nearest 2"],
    ),
    Case(
        "A late line moves no price: beyond the tip, but of a minute that is closed.",
        {0: FIRST, 2: "101 102 101 102"},
        [BORN],
        late={2: [(30, "200")]},
    ),
    Case(
        "A line out of order, but of a minute still open, touches in its own minute.",
        {0: FIRST, 1: "101 102 101 102"},
        [BORN, "+2 touched 1m high 105@+1 by body, 1 past NEAR, age 1"],
        late={1: [(120, "102"), (119, "106")]},
    ),
    Case(
        "Prices off the tick grid: half a tick of wick is 1 tick long, 1.9 ticks are 1.",
        {0: "100 100.5 100 100", 1: "102 103.9 102 102"},
        [
            "+1 born 1m high 100.5, 1 long",
            "+2 touched 1m high 100.5@+1 by body, 3 past CLOSE, age 1",
            "+2 born 1m high 103.9, 1 long, tip 3 CLOSE of +1",
        ],
    ),
    Case(
        "Three tenths of a tick past the tip is NEAR: EXACT means equal.",
        {0: FIRST, 1: "101 105.3 101 102"},
        [
            BORN,
            "+2 touched 1m high 105@+1 by wick, 1 past NEAR, age 1",
            "+2 born 1m high 105.3, 3 long, tip 1 NEAR of +1",
        ],
    ),
    Case(
        "A new tick size counts from the first minute that began after it; a birth stays.",
        {0: FIRST, 1: "101 102 101 102", 2: "102 107 102 103"},
        [
            BORN,
            "+3 touched 1m high 105@+1 by wick, 4 past THROUGH, age 2",
            "+3 born 1m high 107, 8 long",
        ],
        later_tick=(1, "0.5"),
    ),
    Case(
        "Low wicks mirror high ones: equality, then a gap through the tip.",
        {0: "105 105 100 104", 1: "104 104 100 103", 2: "98 98 97 97"},
        [
            "+1 born 1m low 100, 4 long",
            "+2 touched 1m low 100@+1 by wick, 0 past EXACT, age 1",
            "+2 born 1m low 100, 3 long, tip 0 EXACT of +1",
            "+3 touched 1m low 100@+2 by body, 3 past CLOSE, age 1",
        ],
        about=("1m low",),
    ),
    Case(
        "One candle touches both sides: of one birth, high comes before low.",
        {0: "100 105 98 102", 1: "102 105 98 100"},
        [
            "+1 born 1m high 105, 3 long",
            "+1 born 1m low 98, 2 long",
            "+2 touched 1m high 105@+1 by wick, 0 past EXACT, age 1",
            "+2 touched 1m low 98@+1 by wick, 0 past EXACT, age 1",
            "+2 born 1m high 105, 3 long, tip 0 EXACT of +1",
            "+2 born 1m low 98, 2 long, tip 0 EXACT of +1",
        ],
        about=("1m",),
    ),
    Case(
        "A hole in the candle marks its wick for good.",
        {0: "100", 1: "100 105 100 101", 3: "101 105 101 105"},
        [
            "+2 born 1m high 105, 4 long, gap",
            "+4 touched 1m high 105@+2 by body, 0 past EXACT, age 2, gap",
        ],
        holes=(60,),
    ),
    Case(
        "A hole between birth and touch marks the touch only.",
        {0: FIRST, 2: "101 102", 3: "102", 4: "102 105 102 105"},
        [BORN, "+5 touched 1m high 105@+1 by body, 0 past EXACT, age 4, gap"],
        holes=(180,),
    ),
    Case(
        "A hole after the touch marks neither.",
        {0: FIRST, 1: "101 105 101 105", 2: "105 105", 5: "105"},
        [BORN, "+2 touched 1m high 105@+1 by body, 0 past EXACT, age 1"],
        holes=(300,),
        until=6,
    ),
    Case(
        "A hole in a minute without a trade counts as well: what traded there may be lost.",
        {0: FIRST, 2: "101", 5: "101 101"},
        [BORN, "+5 born 5m high 105, 4 long, gap"],
        about=("1m high", "5m high"),
        holes=(310,),  # minute 4 is still open then
    ),
]
