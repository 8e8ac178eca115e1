/**
 * The shapes of the JSON that the server sends, as the chart reads them.
 *
 * @typedef {(number|null)[]} NumberColumn one place a column, null without a record
 * @typedef {(string|null)[]} TextColumn
 *
 * @typedef {object} Minutes dense columns from `first` on, `every` minutes apart
 * @property {number} first Unix minute of the first column
 * @property {number} every minutes of a column: 1, 5, 15, 60 or 240
 * @property {NumberColumn} o
 * @property {NumberColumn} h
 * @property {NumberColumn} l
 * @property {NumberColumn} c
 * @property {NumberColumn} vol
 * @property {NumberColumn} delta
 * @property {NumberColumn} tier 1 to 4
 * @property {TextColumn} absorbed aggressor that got nowhere: "buy" or "sell"
 * @property {NumberColumn} whales 1 where whales traded
 * @property {NumberColumn} gap 1 where a gap touches the minute
 * @property {NumberColumn} v1h
 * @property {NumberColumn} v4h
 * @property {NumberColumn} vs VWAP of the session
 * @property {NumberColumn} sd standard deviation around `vs`
 * @property {NumberColumn} [vgap] 1 where the VWAP row has `gap`
 * @property {NumberColumn} cvd CVD of the session
 * @property {NumberColumn} cvd1m
 * @property {TextColumn} div "bullish" or "bearish", where it became known
 *
 * @typedef {object} Wicks parallel columns, a place a wick
 * @property {string[]} id
 * @property {string[]} tf
 * @property {string[]} side "upper" or "lower"
 * @property {number[]} tip
 * @property {number[]} birth Unix minute at which the wick's candle ended
 * @property {NumberColumn} touch Unix minute at which the touching candle ended, null if untouched
 * @property {(boolean|number)[]} exact
 * @property {(boolean|number)[]} gap
 * @property {string[]} [gone] ids to forget, in an update
 *
 * @typedef {object} Wick
 * @property {string} id
 * @property {string} tf
 * @property {string} side
 * @property {number} tip
 * @property {number} birth
 * @property {number|null} touch
 * @property {boolean} exact
 * @property {boolean} gap
 *
 * @typedef {object} Hole
 * @property {string} stream "trades", "book", "row" or "buckets"
 * @property {string} from_utc
 * @property {string} to_utc
 * @property {string|null} [status]
 * @property {string|null} [words]
 *
 * @typedef {{from_utc: string, to_utc: string}} Span
 *
 * @typedef {object} Wall
 * @property {string|number} price
 * @property {string|number} notional USD
 * @property {number|null} age_s null: nobody knows
 * @property {boolean} young
 *
 * @typedef {object} Book the newest bucket line
 * @property {Wall[]} [bid_walls]
 * @property {Wall[]} [ask_walls]
 *
 * @typedef {object} Signal an object of `find_signals --json`
 * @property {string} event_id
 * @property {string} direction "SHORT" or "LONG"
 * @property {string} wick_price
 * @property {string} creation_time_utc
 * @property {string} [timeframe]
 * @property {string} [conviction]
 * @property {boolean} [in_contact]
 * @property {object|null} [touched_since]
 * @property {string|null} [no_trade] why it is no entry
 * @property {string|null} [stop]
 * @property {string|null} [target]
 * @property {{layer: string, state: string}[]} [layers]
 * @property {{worth: string}} [words] as find_signals words its worth: `MAX (x3, not tested)`
 *
 * @typedef {{signals: Signal[]}} Answer
 * @typedef {{minute: number, o: number, h: number, l: number, c: number}} Forming
 * @typedef {{value: string, source: string, ts_ms?: number}} Price
 *
 * @typedef {object} View
 * @property {string} instId
 * @property {string} mode "live", "latest" or "replay"
 * @property {string|null} as_of_utc
 * @property {number} places decimal places of a price
 * @property {Minutes} minutes
 * @property {Forming|null} [forming]
 * @property {Price|null} [price]
 * @property {Wicks} wicks
 * @property {Hole[]} holes
 * @property {Span[]} [imported]
 * @property {string|null} [recorded_from_utc]
 * @property {Answer|null} [answer]
 * @property {Book|null} [book]
 *
 * @typedef {object} Parts the changed parts of a view
 * @property {Minutes} [minutes]
 * @property {Forming|null} [forming]
 * @property {Price|null} [price]
 * @property {Wicks} [wicks]
 * @property {Hole[]} [holes]
 * @property {Span[]} [imported]
 * @property {string|null} [recorded_from_utc]
 * @property {Answer|null} [answer]
 * @property {Book|null} [book]
 * @property {string} [as_of_utc]
 *
 * @typedef {object} AddedLayer a primitive of its own; the chart calls the functions it has
 * @property {string} [name] that of `setLayer`
 * @property {() => import("./frame.js").Frame|null} [frame] given by the chart
 * @property {(on: boolean) => void} [setVisible]
 * @property {(on: boolean) => void} [setStale] the book does not come
 * @property {(minute: number) => void} [cutBefore] older columns are gone
 * @property {() => void} [retheme]
 * @property {() => object} [geometry]
 *
 * @typedef {object} ChartState
 * @property {boolean} void nothing on the screen may be used
 * @property {boolean} replay
 * @property {Record<string, boolean>} stale streams that are stale, by name
 *
 * @typedef {object} Facts a column in numbers, null where there is no record
 * @property {number} minute
 * @property {number} every
 * @property {string} note "" or why there is no record: "no trades", "hole" or "not recorded"
 * @property {number|null} o
 * @property {number|null} h
 * @property {number|null} l
 * @property {number|null} c
 * @property {number|null} vol
 * @property {number|null} delta
 * @property {number|null} tier
 * @property {string|null} absorbed
 * @property {number|null} whales
 * @property {number|null} gap
 * @property {number|null} v1h
 * @property {number|null} v4h
 * @property {number|null} vs
 * @property {number|null} sd
 * @property {number|null} vgap
 * @property {number|null} cvd
 * @property {number|null} cvd1m
 * @property {string|null} div
 */
export {};
